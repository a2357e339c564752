// Optimizers that orthogonalise an average of gradients.
#include <utility>

#include "ops/elementwise.h"
#include "optim/levels.h"
#include "optim/named_chains.h"

namespace palimpsest {
namespace {

using Config = OptimizerConfig;

}  // namespace

// Jordan et al. 2024: an average read through Newton-Schulz.
Chain MakeMuon(const HyperValues& values) {
  Chain chain;
  chain.levels.push_back(EmaLevel(
      {.slot = "m", .nesterov = IsSet(values, "nesterov"), .output = Orthogonalizer(values)},
      {.keep = Hyper("momentum")}));
  chain.step_scale = ShapeScaleOf(ChoiceOf<Config::ShapeScale>(values, "shape_scale"));
  return chain;
}

// Li et al. 2025: Muon's update, each row by the root of its average mean square.
Chain MakeNorMuon(const HyperValues& values) {
  Chain chain = MakeMuon(values);
  chain.second_moment = AverageOfSquares(SecondMoment::Of::kUpdate, "beta2", false);
  chain.second_moment->by_row = true;
  chain.second_moment->rescale = SecondMoment::Rescale::kKeepNorm;
  return chain;
}

// Si et al. 2025: the orthogonal factor of the average's signs, by its own second moment.
Chain MakeAdaMuon(const HyperValues& values) {
  const auto orthogonal = Orthogonalizer(values);
  Chain chain;
  chain.levels.push_back(EmaLevel({.slot = "m",
                                   .nesterov = IsSet(values, "nesterov"),
                                   .output = [=](const Tensor& x) { return orthogonal(Sign(x)); }},
                                  {.keep = Hyper("momentum")}));
  chain.second_moment = AverageOfSquares(SecondMoment::Of::kUpdate, "momentum", false);
  chain.second_moment->rescale = SecondMoment::Rescale::kRootMeanSquare;
  return chain;
}

// Nested Learning, Algorithm 1. As printed, nothing is forgotten.
Chain MakeM3(const HyperValues& values) {
  const bool printed = IsSet(values, "as_printed");
  const auto one = [](const Signal&, const LevelStep&) {
    return Tensor::Full({}, 1.0, DType::kF64);
  };
  const auto ema = [&](const char* name) {
    return printed ? EmaOptions{.keep = one, .strength = Hyper(name)}
                   : EmaOptions{.keep = Hyper(name)};
  };
  const auto orthogonal = Orthogonalizer(values);
  Chain chain;
  chain.summed = true;
  chain.weights = {"", "alpha"};
  chain.levels.push_back(EmaLevel({.slot = "m1", .output = orthogonal}, ema("beta1")));
  chain.levels.push_back(EmaLevel({.slot = "m2",
                                   .period = static_cast<int64_t>(values.at("period")),
                                   .holds_reading = true,
                                   .output = orthogonal},
                                  ema("beta3")));
  chain.step_scale = ShapeScaleOf(ChoiceOf<Config::ShapeScale>(values, "shape_scale"));
  const auto kind = ChoiceOf<Config::SecondMoment>(values, "second_moment");
  if (kind == Config::NONE) return chain;
  const auto of = kind == Config::UPDATE ? SecondMoment::Of::kUpdate : SecondMoment::Of::kGradient;
  chain.second_moment = AverageOfSquares(of, "beta2", true);
  if (!printed) return chain;
  chain.second_moment = {.level = EmaLevel({.slot = "v"}, ema("beta2")), .of = of};
  return chain;
}

// The error is that of NormalizedKeys without a memory keyed on activations.
std::string M3Conflict(const HyperValues& values) {
  if (ChoiceOf<Config::SecondMoment>(values, "second_moment") != Config::NORMALIZED_KEYS) return "";
  return "second_moment NORMALIZED_KEYS needs a memory keyed on activations";
}

}  // namespace palimpsest
