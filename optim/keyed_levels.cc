// Levels whose memory maps keys to values: activations or parts of the gradient itself.
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/check.h"
#include "memory_rules/linear_memory.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/norm.h"
#include "ops/reduce.h"
#include "optim/levels.h"

namespace palimpsest {
namespace {

constexpr double kKeyEps = 1e-6;
constexpr double kLeastNorm = 1e-30;

Gates GatesOf(const std::vector<GateHyper>& hypers, const LevelStep& now, const Tensor& like,
              double share = 1.0) {
  Gates gates;
  for (const GateHyper& g : hypers) {
    Tensor value = now.hypers.at(g.hyper);
    value = g.log ? Log(value) : share == 1.0 ? value : Mul(value, share);
    gates[g.gate] = Reshape(ScalarLike(value, like), {1, 1});
  }
  return gates;
}

Tensor Identity(int64_t n, const Tensor& like) {
  Tensor eye = Tensor::Full({n, n}, 0.0, DType::kF64);
  for (int64_t i = 0; i < n; ++i) eye.mutable_data<double>()[i * n + i] = 1.0;
  return CopyTo(Cast(eye, like.dtype()), like.device());
}

// The memory as a matrix [value, key]: what it answers to the unit vectors, which where it is one
// needs no asking.
Tensor AsMatrix(const MemoryRule& rule, const State& state, int64_t keys) {
  const auto* linear = dynamic_cast<const LinearMemory*>(&rule);
  if (linear != nullptr && !linear->transposed()) return Reshape(state[0], {state[0].dim(1), keys});
  const Tensor y = rule.Read(state, Reshape(Identity(keys, state[0]), {1, keys, keys}));
  return Permute(Reshape(y, {keys, y.dim(2)}), {1, 0});
}

Tensor WithBatch(const Tensor& x) { return x ? Reshape(x, {1, x.dim(0), x.dim(1)}) : Tensor(); }

PairSums WithBatch(const PairSums& s) {
  return {WithBatch(s.value_key), WithBatch(s.key_key), WithBatch(s.read_key)};
}

Tensor RowSquares(const Tensor& x) { return Sum(Mul(x, x), {-1}, /*keep=*/true); }

// Fewer multiplications with the Gram matrix, half of which is made by symmetry, than token by
// token.
bool GramIsCheaper(double m, double n, double tokens) {
  return tokens * n + 2 * m * n < 4 * tokens * m;
}

}  // namespace

std::unique_ptr<Level> ActivationKeyedLevel(LevelOptions options, ActivationKeyedOptions keyed) {
  PALIMPSEST_CHECK(StepsBySums(*keyed.memory)) << keyed.memory->equation();
  MemoryLevelParts parts{.slot = options.slot, .memory = keyed.memory};
  parts.output = options.output;
  parts.dims = [](const Shape& param) {
    return MemoryDims{.batch = 1, .key = MatrixShape(param)[1], .value = MatrixShape(param)[0]};
  };
  parts.write = [keyed](const State& state, const Signal& s, const LevelStep& now) {
    PALIMPSEST_CHECK(s.pairs.has_value()) << "a level keyed on activations was shown none";
    return StepBySums(*keyed.memory, state, WithBatch(*s.pairs),
                      GatesOf(keyed.gates, now, state[0]));
  };
  if (options.nesterov) parts.lookahead = parts.write;
  parts.read = [keyed](const State& state, const Signal& s, const LevelStep& now) {
    const Tensor m = Reshape(state[0], s.gradient.shape());
    if (keyed.corrected_by.empty()) return m;
    return Div(m, ScalarLike(Correction(now.hypers.at(keyed.corrected_by), now.steps), m));
  };
  parts.listen = [contraction = keyed.contraction, nesterov = options.nesterov,
                  features = options.features](const Tensor& param, double tokens, const Hypers&,
                                               const State& state) {
    const auto keys = [=](const Tensor& x) {
      return TokenKeys{.keys = L2Normalize(ApplyFeatures(features, x), kKeyEps * kKeyEps),
                       .key_key = 1.0 / tokens};
    };
    PairRequest request{.name = absl::StrCat("unit ", static_cast<int>(features)), .keys = keys};
    const double m = static_cast<double>(param.dim(0)), n = static_cast<double>(param.dim(1));
    const bool gram = contraction == OptimizerConfig::GRAM || nesterov ||
                      (contraction == OptimizerConfig::AUTO && GramIsCheaper(m, n, tokens));
    if (!gram) request.read_with = Reshape(state[0], param.shape());
    return request;
  };
  return std::make_unique<MemoryLevel>(std::move(parts));
}

namespace {

// [pairs, length of a key] of a parameter.
Shape KeyShape(GradientKeyedOptions::Pairs pairs, const Shape& param) {
  const int64_t size = NumElements(param);
  switch (pairs) {
    case GradientKeyedOptions::Pairs::kWhole: return {1, size};
    case GradientKeyedOptions::Pairs::kEntries: return {size, 1};
    default: return MatrixShape(param);
  }
}

Tensor RowNorms(const Tensor& g) {
  const Tensor least = Tensor::Full({}, kLeastNorm, g.dtype(), g.device());
  return Maximum(Norm(g, {-1}, /*keep=*/true), least);
}

// What the memory is to answer to the rows of g [pairs, key].
Tensor Values(const GradientKeyedOptions& o, const Tensor& g, const LevelStep& now) {
  Tensor v;
  switch (o.target) {
    case OptimizerConfig::UNIT: v = Div(g, RowNorms(g)); break;
    case OptimizerConfig::ONES: v = Tensor::Full(g.shape(), 1.0, g.dtype(), g.device()); break;
    case OptimizerConfig::BASIS:
      v = Identity(g.dim(0), g);
      if (o.preconditioner == OptimizerConfig::ROW_NORM) v = Div(v, RowNorms(g));
      break;
    default: v = g;
  }
  return o.value_scale ? Mul(v, ScalarLike(o.value_scale(now), v)) : v;
}

}  // namespace

std::unique_ptr<Level> GradientKeyedLevel(LevelOptions options, GradientKeyedOptions keyed) {
  MemoryLevelParts parts{.slot = options.slot, .memory = keyed.memory};
  parts.period = options.period, parts.output = options.output;
  const bool basis = keyed.target == OptimizerConfig::BASIS;
  parts.dims = [=](const Shape& param) {
    const Shape keys = KeyShape(keyed.pairs, param);
    return MemoryDims{
        .batch = 1, .key = keyed.unit_key ? 1 : keys[1], .value = basis ? keys[0] : keys[1]};
  };
  const auto rows = [pairs = keyed.pairs](const Signal& s) {
    return Reshape(s.gradient, KeyShape(pairs, s.gradient.shape()));
  };
  const auto keys = [rows, unit = keyed.unit_key, features = options.features](const Signal& s) {
    const Tensor& g = s.gradient;
    if (unit) return Tensor::Full({1, 1, 1}, 1.0, g.dtype(), g.device());
    return WithBatch(ApplyFeatures(features, rows(s)));
  };
  parts.write = [=](const State& state, const Signal& s, const LevelStep& now) {
    const Tensor g = rows(s);
    const double share = keyed.mean ? 1.0 / static_cast<double>(g.dim(0)) : 1.0;
    return keyed.memory->Step(state, state,
                              {.k = keys(s),
                               .v = WithBatch(Values(keyed, g, now)),
                               .gates = GatesOf(keyed.gates, now, g, share)});
  };
  if (options.nesterov) parts.lookahead = parts.write;
  parts.read = [=](const State& state, const Signal& s, const LevelStep&) {
    const Shape shape = s.gradient.shape();
    if (basis)
      return Reshape(AsMatrix(*keyed.memory, state, KeyShape(keyed.pairs, shape)[1]), shape);
    return Reshape(keyed.memory->Read(state, keys(s)), shape);
  };
  return std::make_unique<MemoryLevel>(std::move(parts));
}

namespace {

class Weights : public Level {
 public:
  Weights() : delta_(BuiltInRule("delta")) {}

  const MemoryRule* memory() const override { return delta_.get(); }
  NamedTensors Init(const Shape&, DType) const override { return {}; }

  Tensor Update(const Signal& s, const LevelStep&, NamedTensors&) const override {
    PALIMPSEST_CHECK(s.pairs.has_value()) << "a level keyed on activations was shown none";
    const State w = {WithBatch(s.param)};
    const Tensor one = Tensor::Full({1, 1}, 1.0, s.param.dtype(), s.param.device());
    const State next = StepBySums(*delta_, w, WithBatch(*s.pairs), {{"beta", one}});
    return Reshape(Sub(w[0], next[0]), s.param.shape());
  }

  // Keys sqrt(eta_i) x_i, values - sqrt(eta_i) d_i, written with strength 1.
  std::optional<PairRequest> ListenTo(const Tensor&, double tokens, const Hypers& hypers,
                                      const NamedTensors&) const override {
    const Tensor lr = hypers.at("lr");
    const auto keys = [=](const Tensor& x) {
      const Tensor step = ScalarLike(lr, x);
      const Tensor root = Sqrt(Div(step, Add(Mul(step, RowSquares(x)), 1.0)));
      return TokenKeys{
          .keys = Mul(x, root), .value = root, .value_key = -1.0, .key_key = 1.0 / tokens};
    };
    return PairRequest{.name = absl::StrCat("weights ", lr.id()), .keys = keys};
  }

 private:
  std::unique_ptr<MemoryRule> delta_;
};

}  // namespace

std::unique_ptr<Level> WeightsLevel() { return std::make_unique<Weights>(); }

}  // namespace palimpsest
