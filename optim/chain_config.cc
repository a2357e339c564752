#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "optim/level_config.h"
#include "optim/optimizers.h"

namespace palimpsest {
namespace {

constexpr char kChain[] = "chain";

std::string Prefix(int level) { return absl::StrCat("level.", level, "."); }

std::vector<HyperSpec> ChainHypers() {
  using Range = HyperSpec::Range;
  return {{"lr", 1e-3, Range::kAtLeast0},
          {"weight_decay", 0.0, Range::kAtLeast0},
          {"summed", 0.0, Range::kAny},
          {"shape_scale", OptimizerConfig::UNSCALED, Range::kAny},
          {"second_moment", OptimizerConfig::NONE, Range::kAny},
          {"beta2", 0.999, Range::kFrom0Below1},
          {"eps", 1e-8, Range::kAtLeast0}};
}

bool ListensToActivations(const OptimizerConfig::Level& level) {
  return level.kind() == "delta_momentum" ||
         (level.kind() == "memory" && level.pairs() == OptimizerConfig::ACTIVATIONS);
}

absl::Status CheckOrder(const OptimizerConfig& config, const std::string& where) {
  for (int i = 1; i < config.level_size(); ++i) {
    if (!ListensToActivations(config.level(i))) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(where, ".level.", i, ".kind ", config.level(i).kind(),
                     " learns from activations, not from the level before it; it must come first"));
  }
  const bool keys = config.second_moment() == OptimizerConfig::NORMALIZED_KEYS;
  if (!keys || (config.level_size() > 0 && ListensToActivations(config.level(0))))
    return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      where, ".second_moment NORMALIZED_KEYS needs a first level keyed on activations"));
}

absl::StatusOr<Chain> MakeListed(const OptimizerConfig& config, const HyperValues& values,
                                 const std::string& where) {
  if (absl::Status s = CheckOrder(config, where); !s.ok()) return s;
  Chain chain;
  chain.summed = IsSet(values, "summed");
  chain.step_scale = ShapeScaleOf(ChoiceOf<OptimizerConfig::ShapeScale>(values, "shape_scale"));
  for (int i = 0; i < config.level_size(); ++i) {
    absl::StatusOr<std::unique_ptr<Level>> level =
        MakeLevel(config.level(i), Prefix(i), absl::StrCat("m", i), values);
    if (!level.ok())
      return absl::InvalidArgumentError(
          absl::StrCat(where, ".", std::string(level.status().message())));
    chain.levels.push_back(*std::move(level));
    chain.weights.push_back(Prefix(i) + "weight");
  }
  using Of = SecondMoment::Of;
  switch (ChoiceOf<OptimizerConfig::SecondMoment>(values, "second_moment")) {
    case OptimizerConfig::NONE: return chain;
    case OptimizerConfig::UPDATE:
      chain.second_moment = AverageOfSquares(Of::kUpdate, "beta2", true);
      return chain;
    case OptimizerConfig::NORMALIZED_KEYS:
      chain.second_moment = AverageOfSquares(Of::kNormalizedKeys, "beta2", true);
      return chain;
    default: chain.second_moment = AverageOfSquares(Of::kGradient, "beta2", true); return chain;
  }
}

}  // namespace

absl::StatusOr<std::vector<HyperSpec>> HypersOf(const OptimizerConfig& config,
                                                const std::string& where) {
  const auto spec = OptimizerSpecs().find(config.name());
  if (config.name() != kChain && spec == OptimizerSpecs().end()) {
    const auto name = [](std::string* out, const auto& entry) { out->append(entry.first); };
    return absl::InvalidArgumentError(absl::StrCat(where, ".name is '", config.name(),
                                                   "'; there are ", kChain, ", ",
                                                   absl::StrJoin(OptimizerSpecs(), ", ", name)));
  }
  if (config.name() != kChain && config.level_size() > 0) {
    return absl::InvalidArgumentError(absl::StrCat(where, ".level is set, but ", config.name(),
                                                   " has levels of its own; the name is to be ",
                                                   kChain));
  }
  if (config.name() != kChain) return spec->second.hypers;
  std::vector<HyperSpec> specs = ChainHypers();
  for (int i = 0; i < config.level_size(); ++i) {
    const absl::StatusOr<std::vector<HyperSpec>> own = LevelHypers(config.level(i), Prefix(i));
    if (!own.ok())
      return absl::InvalidArgumentError(
          absl::StrCat(where, ".", std::string(own.status().message())));
    specs.insert(specs.end(), own->begin(), own->end());
  }
  return specs;
}

bool MatricesOnly(const OptimizerConfig& config) {
  if (config.name() != kChain) return OptimizerSpecs().at(config.name()).matrices_only;
  for (const OptimizerConfig::Level& level : config.level()) {
    if (LevelNeedsMatrices(level)) return true;
  }
  return false;
}

absl::StatusOr<Chain> MakeChain(const OptimizerConfig& config, const HyperValues& values,
                                const std::string& where) {
  if (config.name() == kChain) return MakeListed(config, values, where);
  const OptimizerSpec& spec = OptimizerSpecs().at(config.name());
  if (spec.conflict != nullptr) {
    if (const std::string conflict = spec.conflict(values); !conflict.empty())
      return absl::InvalidArgumentError(absl::StrCat(where, ": ", conflict));
  }
  return spec.make(values);
}

}  // namespace palimpsest
