#include "optim/levels.h"

#include <utility>

#include "core/check.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/reduce.h"
#include "optim/in_place.h"

namespace palimpsest {
namespace {

class None : public Level {
 public:
  NamedTensors Init(const Shape&, DType) const override { return {}; }
  Tensor Update(const Signal& signal, const LevelStep&, NamedTensors&) const override {
    return signal.gradient;
  }
};

Tensor OneMinus(const Tensor& x) { return Add(Neg(x), 1.0); }

Tensor One(const Tensor& like) { return Tensor::Full({1, 1, 1}, 1.0, like.dtype(), like.device()); }

// In so many steps, one at the end of every period; at least 1.
Tensor WritesIn(const Tensor& steps, int64_t period) {
  if (period == 1) return steps;
  const auto constant = [&](int64_t x) {
    return Tensor::Full({}, static_cast<double>(x), DType::kF64, steps.device());
  };
  const Tensor whole = Cast(Div(steps, constant(period)), DType::kI64);
  return Maximum(Cast(whole, DType::kF64), constant(1));
}

// The pair (1, g), with these gates.
Block Whole(const Tensor& g, const Tensor& keep, const Tensor& strength) {
  const auto gate = [&](const Tensor& x) { return Reshape(ScalarLike(x, g), {1, 1}); };
  return {.k = One(g),
          .v = Reshape(g, {1, 1, g.size()}),
          .gates = {{"log_keep", gate(Log(keep))}, {"beta", gate(strength)}}};
}

}  // namespace

std::unique_ptr<Level> NoLevel() { return std::make_unique<None>(); }

std::function<Tensor(const Signal&, const LevelStep&)> Hyper(std::string name) {
  return
      [name = std::move(name)](const Signal&, const LevelStep& now) { return now.hypers.at(name); };
}

Tensor ApplyFeatures(OptimizerConfig::Features features, const Tensor& x) {
  switch (features) {
    case OptimizerConfig::UNIT_LENGTH: {
      const Tensor least = Tensor::Full({}, 1e-30, x.dtype(), x.device());
      return Div(x, Maximum(Norm(x, {-1}, /*keep=*/true), least));
    }
    case OptimizerConfig::TANH: return Tanh(x);
    case OptimizerConfig::CUBE: return Mul(x, Mul(x, x));
    default: return x;
  }
}

std::unique_ptr<Level> EmaLevel(LevelOptions options, EmaOptions ema) {
  if (!ema.strength) {
    ema.strength = [keep = ema.keep](const Signal& s, const LevelStep& now) {
      return OneMinus(keep(s, now));
    };
  }
  MemoryLevelParts parts{.slot = options.slot, .memory = BuiltInRule("hebbian")};
  parts.period = options.period, parts.holds_reading = options.holds_reading;
  parts.output = options.output;
  parts.dims = [](const Shape& param) {
    return MemoryDims{.batch = 1, .key = 1, .value = NumElements(param)};
  };
  parts.write = [rule = parts.memory, ema, features = options.features](
                    const State& state, const Signal& s, const LevelStep& now) {
    const Tensor g = ApplyFeatures(features, s.gradient);
    return rule->Step(state, state, Whole(g, ema.keep(s, now), ema.strength(s, now)));
  };
  if (options.nesterov) parts.lookahead = parts.write;
  if (ema.keep_ahead) {
    parts.looks_first = true;
    parts.lookahead = [rule = parts.memory, ema, features = options.features](
                          const State& state, const Signal& s, const LevelStep& now) {
      const Tensor g = ApplyFeatures(features, s.gradient), keep = ema.keep_ahead(s, now);
      return rule->Step(state, state, Whole(g, keep, OneMinus(keep)));
    };
  }
  parts.read = [rule = parts.memory, ema, period = options.period](
                   const State& state, const Signal& s, const LevelStep& now) {
    const Tensor average = Reshape(rule->Read(state, One(s.gradient)), s.gradient.shape());
    if (!ema.corrected) return average;
    const Tensor correction = Correction(ema.keep(s, now), WritesIn(now.steps, period));
    return Div(average, ScalarLike(correction, average));
  };
  if (options.features == OptimizerConfig::LINEAR && !ema.keep_ahead) {
    parts.in_one_pass = [ema, nesterov = options.nesterov, period = options.period](
                            State& state, const Signal& s,
                            const LevelStep& now) -> std::optional<Tensor> {
      const Tensor &g = s.gradient, keep = ema.keep(s, now), strength = ema.strength(s, now);
      if (!MayUseKernels({&g, &state[0], &keep, &strength})) return {};
      const Tensor writes = ema.corrected ? WritesIn(now.steps, period) : Tensor();
      return WriteAverage(state[0], g,
                          {.keep = ScalarOf(keep),
                           .strength = ScalarOf(strength),
                           .lookahead = nesterov,
                           .corrected = ema.corrected,
                           .writes = ema.corrected ? ScalarOf(writes) : 1.0});
    };
  }
  return std::make_unique<MemoryLevel>(std::move(parts));
}

}  // namespace palimpsest
