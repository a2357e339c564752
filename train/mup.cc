#include "train/mup.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nn/mup.h"
#include "optim/settings.h"

namespace palimpsest {
namespace {

// The power of the width's multiple that a learning rate goes with.
struct Exponents {
  double input = 0, hidden = 0, output = 0, vector = 0;
  bool decay_of_weights = true;

  double Of(ParamRole role) const {
    switch (role) {
      case ParamRole::kInput: return input;
      case ParamRole::kHidden: return hidden;
      case ParamRole::kOutput: return output;
      case ParamRole::kVector: return vector;
    }
    return 0;
  }
};

// Steps of one size an element, whatever the gradient's: a hidden matrix moves what it puts out by
// its fan-in times as much.
constexpr Exponents kByElement = {.hidden = -1};
// Steps as large as the gradient.
constexpr Exponents kByGradient = {.input = 1, .output = 1, .vector = 1, .decay_of_weights = false};
// Steps of a spectral norm that follows the shape alone.
constexpr Exponents kBySpectrum = {};

const std::map<std::string, Exponents>& KnownExponents() {
  static const std::map<std::string, Exponents> kKnown = {
      {"adamw", kByElement},       {"lion", kByElement},     {"am_adamw", kByElement},
      {"delta_adamw", kByElement}, {"sgd", kByGradient},     {"momentum", kByGradient},
      {"muon", kBySpectrum},       {"normuon", kBySpectrum}, {"delta_muon", kBySpectrum}};
  return kKnown;
}

// What of a hidden matrix's exponent depends on more than the optimizer's name.
double MoreOfHidden(const Settings& s) {
  const auto choice = [&](const char* name, int value) {
    const auto it = s.hypers.find(name);
    return it != s.hypers.end() && static_cast<int>(it->second) == value;
  };
  // Steps grow with the shape: 0.2 sqrt(max(m, n)).
  if (choice("shape_scale", OptimizerConfig::MATCH_RMS_ADAMW)) return -0.5;
  // Keys are of unit length and the gradient's inputs are not, so that a quotient of the two falls
  // as 1 / sqrt(fan-in).
  if (s.optimizer == "delta_adamw" && choice("second_moment", OptimizerConfig::GRADIENT))
    return 0.5;
  return 0;
}

absl::StatusOr<Exponents> ExponentsOf(const Settings& s) {
  const auto known = KnownExponents().find(s.optimizer);
  if (known == KnownExponents().end()) {
    const auto name = [](std::string* out, const auto& entry) { out->append(entry.first); };
    return absl::InvalidArgumentError(absl::StrCat(
        "model.mup_base_width is set, but how the learning rate of ", s.optimizer,
        " follows the width is not known; it is of ", absl::StrJoin(KnownExponents(), ", ", name)));
  }
  Exponents exponents = known->second;
  exponents.hidden += MoreOfHidden(s);
  return exponents;
}

const OptimizerConfig::Group* GroupOf(const OptimizerConfig& config, const std::string& path) {
  const auto it =
      std::find_if(config.group().begin(), config.group().end(),
                   [&](const OptimizerConfig::Group& g) { return GlobMatches(g.match(), path); });
  return it == config.group().end() ? nullptr : &*it;
}

}  // namespace

absl::StatusOr<OptimizerConfig> MupOptimizer(const OptimizerConfig& config,
                                             const ModelConfig& model, const NamedTensors& params) {
  const double multiple = WidthMultiple(model);
  if (model.mup_base_width() == 0) return config;
  const auto settings = ResolveSettings(config, params);
  if (!settings.ok()) return settings.status();
  OptimizerConfig scaled = config;
  scaled.clear_group();
  for (const auto& [path, s] : *settings) {
    const absl::StatusOr<Exponents> exponents = ExponentsOf(s);
    if (!exponents.ok()) return exponents.status();
    const double factor = std::pow(multiple, exponents->Of(RoleOf(path, params.at(path))));
    const OptimizerConfig::Group* group = GroupOf(config, path);
    if (factor == 1 && group == nullptr) continue;
    OptimizerConfig::Group& own = *scaled.add_group();
    if (group != nullptr) own = *group;
    own.set_match(path);
    own.set_lr_factor(own.lr_factor() * factor);
    const auto decay = s.hypers.find("weight_decay");
    if (exponents->decay_of_weights && decay != s.hypers.end())
      own.mutable_set()->set_weight_decay(decay->second / factor);
  }
  return scaled;
}

}  // namespace palimpsest
