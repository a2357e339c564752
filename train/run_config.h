#ifndef TRAIN_RUN_CONFIG_H_
#define TRAIN_RUN_CONFIG_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "train/config.pb.h"

namespace palimpsest {

struct RunConfig {
  TrainConfig config;
  std::string damaged;  // Empty, or a line: what is wrong with config.textproto, what stands in.
};

// The config that a run was started or last resumed with, under `overrides`: that of
// config.textproto or, if it was changed since it was written, of the newest whole checkpoint.
absl::StatusOr<RunConfig> LoadRunConfig(const std::string& run,
                                        const std::vector<std::string>& overrides);

}  // namespace palimpsest

#endif  // TRAIN_RUN_CONFIG_H_
