#include "optim/chain.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/check.h"
#include "core/tape.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/reduce.h"

namespace palimpsest {
namespace {

constexpr char kMaster[] = "master";
constexpr double kRootMeanSquare = 0.2;

// sqrt, with gradient 0 at 0: a weight that never had a gradient.
Tensor RootOrZero(const Tensor& x) {
  const Tensor zero = Tensor::Full({}, 0.0, x.dtype(), x.device()),
               one = Tensor::Full({}, 1.0, x.dtype(), x.device());
  const Tensor positive = Greater(x, zero);
  return Where(positive, Sqrt(Where(positive, x, one)), zero);
}

Tensor Matrix(const Tensor& x) { return Reshape(x, MatrixShape(x.shape())); }

// u at the norm it is to have.
Tensor Rescaled(SecondMoment::Rescale rescale, const Tensor& u, const Tensor& before,
                const Tensor& eps) {
  const Tensor least = Tensor::Full({}, 1e-30, u.dtype(), u.device());
  switch (rescale) {
    case SecondMoment::Rescale::kKeepNorm:
      return Mul(u, Div(Norm(before), Maximum(Norm(u), least)));
    case SecondMoment::Rescale::kRootMeanSquare: {
      const double norm = kRootMeanSquare * std::sqrt(static_cast<double>(u.size()));
      return Mul(Div(u, Add(Norm(u), ScalarLike(eps, u))), norm);
    }
    default: return u;
  }
}

DType StateDType(const Tensor& param) {
  return param.dtype() == DType::kF64 ? DType::kF64 : DType::kF32;
}

}  // namespace

NamedTensors Chain::Init(const Tensor& param) const {
  const DType dtype = StateDType(param);
  NamedTensors state;
  for (const auto& level : levels) state.merge(level->Init(param.shape(), dtype));
  if (second_moment) {
    const Shape rows = {MatrixShape(param.shape())[0], 1};
    state.merge(second_moment->level->Init(second_moment->by_row ? rows : param.shape(), dtype));
  }
  if (param.dtype() == DType::kBf16) state[kMaster] = Cast(param, dtype);
  return state;
}

void Chain::Update(Tensor& param, Signal signal, NamedTensors& state, const ChainStep& step) const {
  const DType stored = param.dtype();
  if (stored == DType::kBf16) {
    param = std::exchange(state.at(kMaster), Tensor());
    signal.gradient = Cast(signal.gradient, param.dtype());
  }
  if (UsesFused(param, signal, state, step)) {
    fused->update(param, signal.gradient, state, step);
  } else {
    param = Composed(param, std::move(signal), state, step);
  }
  if (stored == DType::kBf16) {
    state[kMaster] = param;
    param = Cast(param, stored);
  }
}

Tensors Chain::Sums(const Tensor& param, Signal signal, const NamedTensors& state,
                    const ChainStep& step) const {
  const bool low = param.dtype() == DType::kBf16;
  const Tensor& trained = low ? state.at(kMaster) : param;
  if (low) signal.gradient = Cast(signal.gradient, trained.dtype());
  if (UsesFused(trained, signal, state, step)) {
    if (fused->sums == nullptr) return {};
    return fused->sums(trained, signal.gradient, state, step);
  }
  const Signal prepared = Prepare(trained, std::move(signal), step);
  Tensors sums;
  for (const auto& level : levels) {
    for (Tensor& sum : level->Sums(prepared, step.step, step.hypers, state))
      sums.push_back(std::move(sum));
  }
  return sums;
}

std::optional<PairRequest> Chain::ListenTo(const Tensor& param, double tokens, const Hypers& hypers,
                                           const NamedTensors& state) const {
  for (const auto& level : levels) {
    if (auto request = level->ListenTo(param, tokens, hypers, state)) return request;
  }
  return {};
}

bool Chain::UsesGradient() const {
  return whole_steps || (second_moment && second_moment->of == SecondMoment::Of::kGradient);
}

bool Chain::UsesFused(const Tensor& param, const Signal& signal, const NamedTensors& state,
                      const ChainStep& step) const {
  if (fused == nullptr || !fused->has(param.device()) || ComposedScope::Active()) return false;
  const auto tracked = [](const Tensor& x) { return x && IsTracked(x); };
  const auto named = [&](const auto& entry) { return tracked(entry.second); };
  return !tracked(param) && !tracked(signal.gradient) && !tracked(step.grad_scale) &&
         std::none_of(state.begin(), state.end(), named) &&
         std::none_of(step.hypers.begin(), step.hypers.end(), named) &&
         std::none_of(step.sums.begin(), step.sums.end(), tracked);
}

// The signal that the first level sees. What an activation-keyed memory is multiplied with is not
// scaled: clipping is of the gradient.
Signal Chain::Prepare(const Tensor& param, Signal signal, const ChainStep& step) const {
  const Tensor scale = ScalarLike(step.grad_scale, param);
  signal.param = param;
  signal.gradient = Mul(signal.gradient, scale);
  if (signal.pairs) signal.pairs->value_key = Mul(signal.pairs->value_key, scale);
  if (decay == Decay::kOfGradient) {
    const Tensor& weight_decay = step.hypers.at("weight_decay");
    signal.gradient = Add(signal.gradient, Mul(param, ScalarLike(weight_decay, param)));
  }
  return signal;
}

Tensor Chain::ReadLevels(const Signal& signal, NamedTensors& state, const ChainStep& step) const {
  Tensor u = summed ? Tensor() : signal.gradient;
  for (size_t i = 0; i < levels.size(); ++i) {
    Signal seen = signal;
    if (!summed) seen.gradient = u;
    Tensor read = levels[i]->Update(seen, step.step, step.hypers, step.sums, state);
    if (!summed) {
      u = std::move(read);
      continue;
    }
    if (i < weights.size() && !weights[i].empty())
      read = Mul(read, ScalarLike(step.hypers.at(weights[i]), read));
    u = u ? Add(u, read) : read;
  }
  return u;
}

Tensor Chain::Divisor(const Tensor& of, NamedTensors& state, const ChainStep& step) const {
  Tensor squares = Mul(of, of);
  if (second_moment->by_row) squares = Mean(Matrix(squares), {-1}, /*keep=*/true);
  const Tensor v = second_moment->level->Update({squares}, step.step, step.hypers, {}, state);
  return Add(RootOrZero(v), ScalarLike(step.hypers.at("eps"), v));
}

Tensor Chain::Composed(const Tensor& param, Signal signal, NamedTensors& state,
                       const ChainStep& step) const {
  signal = Prepare(param, std::move(signal), step);
  const auto of = second_moment ? second_moment->of : SecondMoment::Of::kUpdate;
  if (of == SecondMoment::Of::kGradient) signal.divisor = Divisor(signal.gradient, state, step);
  if (of == SecondMoment::Of::kNormalizedKeys) {
    PALIMPSEST_CHECK(signal.pairs.has_value()) << "no pairs, whose squares are averaged";
    signal.divisor = Divisor(signal.pairs->value_key, state, step);
  }
  Tensor u = ReadLevels(signal, state, step);
  if (second_moment) {
    const Tensor divisor = signal.divisor ? signal.divisor : Divisor(u, state, step);
    const Tensor before = u;
    u = Reshape(Div(Matrix(u), second_moment->by_row ? divisor : Matrix(divisor)), u.shape());
    u = Rescaled(second_moment->rescale, u, before, step.hypers.at("eps"));
  }
  const Tensor &lr = step.hypers.at("lr"), &weight_decay = step.hypers.at("weight_decay");
  const auto scalar = [&](const Tensor& x) { return ScalarLike(x, param); };
  Tensor kept = param;
  if (decay == Decay::kOfWeights) kept = Mul(param, scalar(Add(Neg(Mul(lr, weight_decay)), 1.0)));
  if (whole_steps) return Sub(kept, u);
  return Sub(kept, Mul(u, scalar(step_scale ? Mul(lr, step_scale(param.shape())) : lr)));
}

}  // namespace palimpsest
