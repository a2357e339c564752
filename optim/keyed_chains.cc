// Optimizers that learn by a rule with keys: activations, or the rows of a gradient.
#include <utility>

#include "core/check.h"
#include "optim/levels.h"
#include "optim/named_chains.h"

namespace palimpsest {
namespace {

using Config = OptimizerConfig;

// Hong & Qu 2026 (AK-Momentum): the delta rule with the tokens' inputs as keys.
std::unique_ptr<Level> DeltaMomentum(const HyperValues& values, const std::string& keep,
                                     bool corrected, LevelOptions options) {
  return ActivationKeyedLevel(
      std::move(options), {.memory = BuiltInRule("titans_linear", {{"exact", 1}, {"momentum", 0}}),
                           .gates = {{"log_keep", keep, /*log=*/true}, {"theta", "eta"}},
                           .contraction = ChoiceOf<Config::Contraction>(values, "contraction"),
                           .corrected_by = corrected ? keep : ""});
}

}  // namespace

Chain MakeDeltaSgd(const HyperValues& values) {
  Chain chain;
  chain.levels.push_back(DeltaMomentum(values, "momentum", false, {.slot = "m"}));
  return chain;
}

Chain MakeDeltaAdamW(const HyperValues& values) {
  Chain chain;
  chain.levels.push_back(DeltaMomentum(values, "beta1", true, {.slot = "m"}));
  const bool keys =
      ChoiceOf<Config::SecondMoment>(values, "second_moment") == Config::NORMALIZED_KEYS;
  chain.second_moment = AverageOfSquares(
      keys ? SecondMoment::Of::kNormalizedKeys : SecondMoment::Of::kGradient, "beta2", true);
  return chain;
}

std::string DeltaAdamWConflict(const HyperValues& values) {
  const auto of = ChoiceOf<Config::SecondMoment>(values, "second_moment");
  if (of == Config::GRADIENT || of == Config::NORMALIZED_KEYS) return "";
  return "second_moment is of the GRADIENT or of NORMALIZED_KEYS";
}

Chain MakeDeltaMuon(const HyperValues& values) {
  Chain chain;
  chain.levels.push_back(DeltaMomentum(
      values, "momentum", false,
      {.slot = "m", .nesterov = IsSet(values, "nesterov"), .output = Orthogonalizer(values)}));
  chain.step_scale = ShapeScaleOf(ChoiceOf<Config::ShapeScale>(values, "shape_scale"));
  return chain;
}

std::string DeltaMuonConflict(const HyperValues& values) {
  if (!IsSet(values, "nesterov") ||
      ChoiceOf<Config::Contraction>(values, "contraction") != Config::DIRECT)
    return "";
  return "nesterov reads the memory after one more write, which contraction DIRECT does not allow";
}

// Nested Learning, eq. 50: the momentum is an MLP that maps a gradient's rows to the target.
Chain MakeDmgd(const HyperValues& values) {
  Chain chain;
  chain.levels.push_back(GradientKeyedLevel(
      {.slot = "m", .features = Config::UNIT_LENGTH},
      {.memory = BuiltInRule("titans_mlp", {{"momentum", 0}, {"expansion", values.at("expansion")}},
                             {{"rest", "zero"}}),
       .gates = {{"log_keep", "momentum", /*log=*/true}, {"theta", "eta"}},
       .target = ChoiceOf<Config::Target>(values, "target"),
       .mean = true}));
  return chain;
}

std::string DmgdConflict(const HyperValues& values) {
  return ChoiceOf<Config::Target>(values, "target") == Config::BASIS
             ? "target BASIS is for matrices as memories"
             : "";
}

Chain MakeDgd(const HyperValues&) {
  Chain chain;
  chain.levels.push_back(WeightsLevel());
  chain.whole_steps = true;
  return chain;
}

}  // namespace palimpsest
