#include "optim/chain.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/check.h"
#include "core/tape.h"
#include "kernels/rms_step.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/reduce.h"
#include "optim/in_place.h"

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

// No tape watches any of it, and no ComposedScope asks for ops.
bool Unwatched(const Tensor& param, const Signal& signal, const NamedTensors& state,
               const ChainStep& step) {
  const auto may = [](const Tensor& x) { return MayUseKernels({&x}); };
  const auto named = [&](const auto& entry) { return may(entry.second); };
  return MayUseKernels({&param, &signal.gradient, &step.grad_scale}) &&
         (!signal.pairs || may(signal.pairs->value_key)) &&
         std::all_of(state.begin(), state.end(), named) &&
         std::all_of(step.hypers.begin(), step.hypers.end(), named) &&
         std::all_of(step.sums.begin(), step.sums.end(), may);
}

// Not by what is known to be 1.
bool ScalesGradients(const Tensor& scale) {
  return IsTracked(scale) || !HostReads(scale) || scale.Item() != 1.0;
}

LevelStep LevelStepOf(const ChainStep& now) { return {now.step, now.steps, now.hypers, now.sums}; }

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
  for (auto& [slot, x] : state) x = CopyTo(x, param.device());
  if (param.dtype() == DType::kBf16) state[kMaster] = Cast(param, dtype);
  return state;
}

Chain::FusedJob Chain::JobOf(Tensor& param, const Signal& signal, NamedTensors& state,
                             const ChainStep& step) {
  const bool low = param.dtype() == DType::kBf16;
  return {low ? state.at(kMaster) : param, low ? &param : nullptr, signal.gradient, state, step};
}

void Chain::Update(Tensor& param, Signal signal, NamedTensors& state, const ChainStep& step) const {
  const DType stored = param.dtype();
  if (stored == DType::kBf16) {
    param = std::exchange(state.at(kMaster), Tensor());
    signal.gradient = Cast(signal.gradient, param.dtype());
  }
  ByLevels(param, std::move(signal), state, step);
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
  const Signal prepared = Prepare(trained, std::move(signal), step);
  Tensors sums;
  for (const auto& level : levels) {
    for (Tensor& sum : level->Sums(prepared, step.hypers, state)) sums.push_back(std::move(sum));
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

std::vector<int64_t> Chain::Phases(int64_t step) const {
  std::vector<int64_t> phases;
  const auto add = [&](const Level& level) {
    if (const auto phase = level.Phase(step)) phases.push_back(*phase);
  };
  for (const auto& level : levels) add(*level);
  if (second_moment) add(*second_moment->level);
  return phases;
}

bool Chain::UsesGradient() const {
  return whole_steps || (second_moment && second_moment->of == SecondMoment::Of::kGradient);
}

bool Chain::MayFuse(const Tensor& param, const Signal& signal, const NamedTensors& state,
                    const ChainStep& step) const {
  return fused != nullptr && fused->has(param.device()) && Unwatched(param, signal, state, step);
}

bool Chain::ScalesInStep(const Tensor& param, const Signal& signal, const NamedTensors& state,
                         const ChainStep& step) const {
  return second_moment && !second_moment->keep.empty() && !second_moment->by_row &&
         second_moment->rescale == SecondMoment::Rescale::kNone && rms_step.Has(param.device()) &&
         Unwatched(param, signal, state, step);
}

// The signal that the first level sees. What an activation-keyed memory is multiplied with is not
// scaled: clipping is of the gradient.
Signal Chain::Prepare(const Tensor& param, Signal signal, const ChainStep& step) const {
  signal.param = param;
  if (ScalesGradients(step.grad_scale)) {
    const Tensor scale = ScalarLike(step.grad_scale, param);
    if (!signal.pairs || UsesGradient()) signal.gradient = Mul(signal.gradient, scale);
    if (signal.pairs) signal.pairs->value_key = Mul(signal.pairs->value_key, scale);
  }
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
    Tensor read = levels[i]->Update(seen, LevelStepOf(step), state);
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
  const Tensor v = second_moment->level->Update({squares}, LevelStepOf(step), state);
  return Add(RootOrZero(v), ScalarLike(step.hypers.at("eps"), v));
}

const Tensor& Chain::Squared(const Signal& signal, const Tensor& u) const {
  switch (second_moment->of) {
    case SecondMoment::Of::kGradient: return signal.gradient;
    case SecondMoment::Of::kNormalizedKeys:
      PALIMPSEST_CHECK(signal.pairs.has_value()) << "no pairs, whose squares are averaged";
      return signal.pairs->value_key;
    default: return u;
  }
}

Tensor Chain::Scaled(const Tensor& u, const Signal& signal, NamedTensors& state,
                     const ChainStep& step) const {
  const Tensor divisor = signal.divisor ? signal.divisor : Divisor(Squared(signal, u), state, step);
  const Tensor scaled =
      Reshape(Div(Matrix(u), second_moment->by_row ? divisor : Matrix(divisor)), u.shape());
  return Rescaled(second_moment->rescale, scaled, u, step.hypers.at("eps"));
}

void Chain::ByLevels(Tensor& param, Signal signal, NamedTensors& state,
                     const ChainStep& step) const {
  const auto hyper = [&](const std::string& name) { return step.hypers.at(name); };
  const bool scales_in_step = ScalesInStep(param, signal, state, step);
  signal = Prepare(param, std::move(signal), step);
  if (second_moment && second_moment->of == SecondMoment::Of::kGradient && !scales_in_step)
    signal.divisor = Divisor(signal.gradient, state, step);
  Tensor u = ReadLevels(signal, state, step);
  signal.param = {};  // So that it can be changed in place.
  const StepSize size{.lr = hyper("lr"),
                      .weight_decay = decay == Decay::kOfWeights ? hyper("weight_decay") : Tensor(),
                      .scale = step_scale ? step_scale(param.shape()) : 1.0,
                      .whole = whole_steps};
  if (scales_in_step) {
    RmsStepDown(param, u, size, Squared(signal, u), state.at("v"),
                {.keep = hyper(second_moment->keep).Item(),
                 .eps = hyper("eps").Item(),
                 .corrected = second_moment->corrected,
                 .writes = ScalarOf(step.steps)});
    return;
  }
  if (second_moment) u = Scaled(u, signal, state, step);
  StepDown(param, u, size);
}

}  // namespace palimpsest
