#ifndef OPTIM_SETTINGS_H_
#define OPTIM_SETTINGS_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "core/tensor.h"
#include "optim/optimizer.pb.h"
#include "optim/optimizers.h"

namespace palimpsest {

// How one parameter is trained, with every default filled in.
struct Settings {
  std::string optimizer;
  OptimizerConfig config;  // As written, groups laid over it.
  HyperValues hypers;
  OptimizerConfig::Schedule schedule;
  double lr_factor = 1.0;
  bool frozen = false;
};

// The settings of each parameter. InvalidArgument names the field ("optimizer.group[1].set.lr"),
// its value and what is allowed.
absl::StatusOr<std::map<std::string, Settings>> ResolveSettings(const OptimizerConfig& config,
                                                                const NamedTensors& params);

// The settings of a parameter that belongs to no group and to the main optimizer.
absl::StatusOr<Settings> MainSettings(const OptimizerConfig& config);

// `pattern` matches all of `text`: * is any text, ? any character.
bool GlobMatches(const std::string& pattern, const std::string& text);

}  // namespace palimpsest

#endif  // OPTIM_SETTINGS_H_
