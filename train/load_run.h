#ifndef TRAIN_LOAD_RUN_H_
#define TRAIN_LOAD_RUN_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nn/model.h"
#include "train/config.pb.h"

namespace palimpsest {

// A trained model: a run's newest complete checkpoint. Of a run that averages its weights, the
// average.
struct LoadedRun {
  TrainConfig config;
  std::unique_ptr<LanguageModel> model;
  std::string checkpoint;
  int64_t step = 0;
};

// `overrides` are for what is not the model: other data, another batch.
absl::StatusOr<LoadedRun> LoadRun(const std::string& run,
                                  const std::vector<std::string>& overrides);

}  // namespace palimpsest

#endif  // TRAIN_LOAD_RUN_H_
