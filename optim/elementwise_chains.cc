// Optimizers of one number at a time.
#include <utility>

#include "kernels/adamw.h"
#include "ops/elementwise.h"
#include "optim/adaptive_level.h"
#include "optim/levels.h"
#include "optim/named_chains.h"

namespace palimpsest {
namespace {

// A tensor for results in place of `x`: `x` itself, under a new id, if no one else holds it.
Tensor OutputFor(const Tensor& x) {
  return x.Unique() ? x : Tensor::Empty(x.shape(), x.dtype(), x.device());
}

void FusedAdamW(Tensor& param, const Tensor& grad, NamedTensors& state, const ChainStep& step) {
  Tensor &m = state.at("m"), &v = state.at("v");
  Tensor param_out = OutputFor(param), m_out = OutputFor(m), v_out = OutputFor(v);
  const auto value = [&](const char* name) { return step.hypers.at(name).Item(); };
  adamw(param.device(), {.dtype = param.dtype(),
                         .size = param.size(),
                         .param = param.raw(),
                         .grad = grad.raw(),
                         .m = m.raw(),
                         .v = v.raw(),
                         .param_out = param_out.mutable_raw(),
                         .m_out = m_out.mutable_raw(),
                         .v_out = v_out.mutable_raw(),
                         .lr = value("lr"),
                         .beta1 = value("beta1"),
                         .beta2 = value("beta2"),
                         .eps = value("eps"),
                         .weight_decay = value("weight_decay"),
                         .grad_scale = step.grad_scale.Item(),
                         .t = step.step + 1});
  param = param_out.Detach(), m = m_out.Detach(), v = v_out.Detach();
}

}  // namespace

// torch.optim.SGD: b <- momentum b + (1 - dampening) g, at first g; decay is of the gradient.
Chain MakeSgd(const HyperValues& values) {
  Chain chain;
  chain.decay = Chain::Decay::kOfGradient;
  if (values.at("momentum") == 0.0) return chain;
  const auto strength = [](const Signal&, const LevelStep& now) {
    return Add(Mul(now.hypers.at("dampening"), now.writes == 1 ? 0.0 : -1.0), 1.0);
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
  chain.fused = FusedAdamW;
  chain.has_fused = [](Device device) { return adamw.Has(device); };
  return chain;
}

// Chen et al. 2023: the sign of an average that has kept beta1; the memory keeps beta2.
Chain MakeLion(const HyperValues&) {
  Chain chain;
  chain.levels.push_back(EmaLevel({.slot = "m", .output = [](const Tensor& x) { return Sign(x); }},
                                  {.keep = Hyper("beta2"), .keep_ahead = Hyper("beta1")}));
  return chain;
}

Chain MakeAmMgd(const HyperValues& values) {
  Chain chain;
  chain.decay = Chain::Decay::kOfGradient;
  chain.levels.push_back(AdaptiveLevel("m", "momentum", IsSet(values, "per_tensor")));
  return chain;
}

Chain MakeAmAdamW(const HyperValues&) {
  Chain chain;
  chain.levels.push_back(AdaptiveAdamLevel("m", "beta1"));
  chain.second_moment = AverageOfSquares(SecondMoment::Of::kGradient, "beta2", true);
  return chain;
}

}  // namespace palimpsest
