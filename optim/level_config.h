#ifndef OPTIM_LEVEL_CONFIG_H_
#define OPTIM_LEVEL_CONFIG_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "optim/optimizers.h"

namespace palimpsest {

// A level of a chain spelled out in a config; its hyper-parameters are named `prefix` and the
// field, "level.0.keep".
// InvalidArgument for a kind there is none of, a rule or gate that does not exist.
absl::StatusOr<std::vector<HyperSpec>> LevelHypers(const OptimizerConfig::Level& level,
                                                   const std::string& prefix);
// Whether it can train matrices alone.
bool LevelNeedsMatrices(const OptimizerConfig::Level& level);
// InvalidArgument for parts that do not go together.
absl::StatusOr<std::unique_ptr<Level>> MakeLevel(const OptimizerConfig::Level& level,
                                                 const std::string& prefix, const std::string& slot,
                                                 const HyperValues& values);

}  // namespace palimpsest

#endif  // OPTIM_LEVEL_CONFIG_H_
