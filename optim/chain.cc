#include "optim/chain.h"

#include <algorithm>
#include <utility>

#include "core/tape.h"
#include "ops/elementwise.h"

namespace palimpsest {
namespace {

constexpr char kMaster[] = "master";

// sqrt, with gradient 0 at 0: a weight that never had a gradient.
Tensor RootOrZero(const Tensor& x) {
  const Tensor zero = Tensor::Full({}, 0.0, x.dtype(), x.device()),
               one = Tensor::Full({}, 1.0, x.dtype(), x.device());
  const Tensor positive = Greater(x, zero);
  return Where(positive, Sqrt(Where(positive, x, one)), zero);
}

}  // namespace

NamedTensors Chain::Init(const Tensor& param) const {
  const DType dtype = param.dtype() == DType::kF64 ? DType::kF64 : DType::kF32;
  NamedTensors state;
  for (const Level& level : levels) state.merge(level.Init(param.shape(), dtype));
  if (second_moment) state.merge(second_moment->Init(param.shape(), dtype));
  if (param.dtype() == DType::kBf16) state[kMaster] = Cast(param, dtype);
  return state;
}

void Chain::Update(Tensor& param, Tensor grad, NamedTensors& state, const ChainStep& step) const {
  const DType stored = param.dtype();
  if (stored == DType::kBf16) {
    param = std::exchange(state.at(kMaster), Tensor());
    grad = Cast(grad, param.dtype());
  }
  if (UsesFused(param, grad, state, step)) {
    fused(param, grad, state, step);
  } else {
    param = Composed(param, grad, state, step);
  }
  if (stored == DType::kBf16) {
    state[kMaster] = param;
    param = Cast(param, stored);
  }
}

bool Chain::UsesFused(const Tensor& param, const Tensor& grad, const NamedTensors& state,
                      const ChainStep& step) const {
  if (fused == nullptr || !has_fused(param.device()) || ComposedScope::Active()) return false;
  const auto tracked = [](const auto& named) { return named.second && IsTracked(named.second); };
  return !IsTracked(param) && !IsTracked(grad) && !IsTracked(step.grad_scale) &&
         std::none_of(state.begin(), state.end(), tracked) &&
         std::none_of(step.hypers.begin(), step.hypers.end(), tracked);
}

Tensor Chain::Composed(const Tensor& param, const Tensor& grad, NamedTensors& state,
                       const ChainStep& step) const {
  const auto scalar = [&](const Tensor& x) { return ScalarLike(x, param); };
  const Tensor &lr = step.hypers.at("lr"), &weight_decay = step.hypers.at("weight_decay");
  Tensor g = Mul(grad, scalar(step.grad_scale));
  if (decay == Decay::kOfGradient) g = Add(g, Mul(param, scalar(weight_decay)));
  Tensor u = g;
  for (const Level& level : levels) u = level.Update({u}, step.step, step.hypers, state);
  if (second_moment) {
    const Tensor v = second_moment->Update({Mul(g, g)}, step.step, step.hypers, state);
    u = Div(u, Add(RootOrZero(v), scalar(step.hypers.at("eps"))));
  }
  const Tensor step_size = step_scale ? Mul(lr, step_scale(param.shape())) : lr;
  Tensor kept = param;
  if (decay == Decay::kOfWeights) kept = Mul(param, scalar(Add(Neg(Mul(lr, weight_decay)), 1.0)));
  return Sub(kept, Mul(u, scalar(step_size)));
}

}  // namespace palimpsest
