// Optimizers of one number at a time.
#include <utility>

#include "ops/elementwise.h"
#include "optim/adaptive_level.h"
#include "optim/fused_chains.h"
#include "optim/levels.h"
#include "optim/named_chains.h"

namespace palimpsest {
// torch.optim.SGD: b <- momentum b + (1 - dampening) g, at first g; decay is of the gradient.
Chain MakeSgd(const HyperValues& values) {
  Chain chain;
  chain.decay = Chain::Decay::kOfGradient;
  chain.fused = &kFusedSgd;
  if (values.at("momentum") == 0.0) return chain;
  const auto strength = [](const Signal&, const LevelStep& now) {
    const Tensor one = Tensor::Full({}, 1.0, DType::kF64, now.steps.device());
    const Tensor later = Cast(Greater(now.steps, one), DType::kF64);
    return Add(Neg(Mul(ScalarOn(later.device(), now.hypers.at("dampening")), later)), 1.0);
  };
  chain.levels.push_back(EmaLevel({.slot = "m", .nesterov = IsSet(values, "nesterov")},
                                  {.keep = Hyper("momentum"), .strength = strength}));
  return chain;
}

std::string SgdConflict(const HyperValues& values) {
  const bool nesterov = IsSet(values, "nesterov");
  if (!nesterov || (values.at("momentum") > 0.0 && values.at("dampening") == 0.0)) return "";
  return "nesterov needs momentum above 0 and dampening 0";
}

// torch.optim.AdamW.
Chain MakeAdamW(const HyperValues&) {
  Chain chain;
  chain.levels.push_back(EmaLevel({.slot = "m"}, {.keep = Hyper("beta1"), .corrected = true}));
  chain.second_moment = AverageOfSquares(SecondMoment::Of::kGradient, "beta2", true);
  chain.fused = &kFusedAdamW;
  return chain;
}

// Chen et al. 2023: the sign of an average that has kept beta1; the memory keeps beta2.
Chain MakeLion(const HyperValues&) {
  Chain chain;
  chain.levels.push_back(EmaLevel({.slot = "m", .output = [](const Tensor& x) { return Sign(x); }},
                                  {.keep = Hyper("beta2"), .keep_ahead = Hyper("beta1")}));
  chain.fused = &kFusedLion;
  return chain;
}

Chain MakeAmMgd(const HyperValues& values) {
  Chain chain;
  chain.decay = Chain::Decay::kOfGradient;
  chain.levels.push_back(AdaptiveLevel("m", "momentum", IsSet(values, "per_tensor")));
  chain.fused = &kFusedAmMgd;
  return chain;
}

Chain MakeAmAdamW(const HyperValues&) {
  Chain chain;
  chain.levels.push_back(AdaptiveAdamLevel("m", "beta1"));
  chain.second_moment = AverageOfSquares(SecondMoment::Of::kGradient, "beta2", true);
  chain.second_moment->keep.clear();  // The level needs what it divides by.
  chain.fused = &kFusedAmAdamW;
  return chain;
}

}  // namespace palimpsest
