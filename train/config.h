#ifndef TRAIN_CONFIG_H_
#define TRAIN_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/dtype.h"
#include "train/config.pb.h"

namespace palimpsest {

// The config of `path`, on top of its bases and under `overrides` ("a.b=value"), with every default
// spelled out. A relative path in it is relative to the working directory, but for `base`.
absl::StatusOr<TrainConfig> LoadConfig(const std::string& path,
                                       const std::vector<std::string>& overrides);
// Of several files, each merged onto the one before: a model's and a size's.
absl::StatusOr<TrainConfig> LoadConfig(const std::vector<std::string>& paths,
                                       const std::vector<std::string>& overrides);

// The numbers of the run itself; model, data and optimizer check their own.
absl::Status ValidateConfig(const TrainConfig& config);

// That the rules of the plugins that `config` names are known; NotFound says which plugin to give.
absl::Status CheckPlugins(const TrainConfig& config);

// That data of `vocab` different tokens, in sequences of at most `longest`, suit the config's
// model.
absl::Status CheckFitsModel(const TrainConfig& config, int64_t vocab, int64_t longest);

std::string ConfigText(const TrainConfig& config);
absl::StatusOr<TrainConfig> ParseConfigText(const std::string& text, const std::string& file);

// A field that says where a run is, how it is logged and what it may use: its results are the same
// whatever it holds.
bool BearsOnNoResult(const std::string& field);

// OK if a run of `before` can go on as `after`: they differ at most in what bears on no step's
// result (steps, threads, run_dir, how often things are logged, evaluated and saved, ...); a field
// that is unset is at its default. Else InvalidArgument with one line that names the fields that
// differ, and both values.
absl::Status CheckSameRun(TrainConfig before, TrainConfig after);

absl::StatusOr<DType> ConfigDType(const TrainConfig& config);

}  // namespace palimpsest

#endif  // TRAIN_CONFIG_H_
