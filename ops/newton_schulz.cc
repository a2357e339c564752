#include "ops/newton_schulz.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/op_scope.h"
#include "core/tape.h"
#include "ops/elementwise.h"
#include "ops/linalg.h"
#include "ops/reduce.h"

namespace palimpsest {
namespace {

struct Table {
  std::vector<QuinticStep> steps;  // As published.
  double norm_margin = 1.0;        // The matrix is divided by its norm times this.
  double step_margin = 1.0;        // Each step but the last divides by this first.
};

const Table& TableOf(NewtonSchulzTable name) {
  static const auto* const jordan = new Table{{{3.4445, -4.7750, 2.0315}}};
  static const auto* const polar_express =
      new Table{{{8.28721201814563, -23.595886519098837, 17.300387312530933},
                 {4.107059111542203, -2.9478499167379106, 0.5448431082926601},
                 {3.9486908534822946, -2.908902115962949, 0.5518191394370137},
                 {3.3184196573706015, -2.488488024314874, 0.51004894012372},
                 {2.300652019954817, -1.6689039845747493, 0.4188073119525673},
                 {1.891301407787398, -1.2679958271945868, 0.37680408948524835},
                 {1.8750014808534479, -1.2500016453999487, 0.3750001645474248},
                 {1.875, -1.25, 0.375}},
                1.01,
                1.01};
  static const auto* const dion = new Table{{{4.0848, -6.8946, 2.9270},
                                             {3.9505, -6.3029, 2.6377},
                                             {3.7418, -5.5913, 2.3037},
                                             {2.8769, -3.1427, 1.2046},
                                             {2.8366, -3.0525, 1.2012}}};
  static const auto* const modded_nanogpt =
      new Table{{{8.156554524902461, -22.48329292557795, 15.878769915207462},
                 {4.042929935166739, -2.808917465908714, 0.5000178451051316},
                 {3.8916678022926607, -2.772484153217685, 0.5060648178503393},
                 {3.285753657755655, -2.3681294933425376, 0.46449024233003106},
                 {2.3465413258596377, -1.7097828382687081, 0.42323551169305323}},
                1.02};
  switch (name) {
    case NewtonSchulzTable::kPolarExpress: return *polar_express;
    case NewtonSchulzTable::kDion: return *dion;
    case NewtonSchulzTable::kModdedNanogpt: return *modded_nanogpt;
    default: return *jordan;
  }
}

// The step on s / margin.
QuinticStep Divided(const QuinticStep& s, double margin) {
  return {s.a / margin, s.b / std::pow(margin, 3), s.c / std::pow(margin, 5)};
}

double Value(const QuinticStep& q, double s) { return s * (q.a + s * s * (q.b + s * s * q.c)); }

bool IsTall(const Tensor& m) { return m.dim(-2) > m.dim(-1); }

Tensor Normalized(const Tensor& m) {
  constexpr double kLeast = 1e-7, kNone = std::numeric_limits<double>::infinity();
  return Div(m, Clamp(Norm(m, {-2, -1}, /*keep=*/true), kLeast, kNone));
}

Tensor Composed(const Tensor& m, const std::vector<QuinticStep>& steps) {
  const bool tall = IsTall(m);
  Tensor x = Normalized(m);
  for (const QuinticStep& step : steps) {
    const Tensor gram = Gram(x, /*of_columns=*/tall);
    const Tensor poly = Add(Mul(gram, step.b), Mul(Gram(gram), step.c));
    x = Add(Mul(x, step.a), tall ? MatMul(x, poly) : MatMul(poly, x));
  }
  return x;
}

Tensor Fused(const Tensor& m, const std::vector<QuinticStep>& steps) {
  const DType held = m.dtype() == DType::kBf16 ? DType::kF32 : m.dtype();
  const Tensor x = Normalized(Cast(m, held));
  Tensor y = Tensor::Empty(m.shape(), held, m.device());
  const int64_t matrix = m.dim(-2) * m.dim(-1);
  newton_schulz(m.device(), {.dtype = m.dtype(),
                             .batch = matrix == 0 ? 0 : m.size() / matrix,
                             .rows = m.dim(-2),
                             .cols = m.dim(-1),
                             .steps = steps,
                             .x = x.raw(),
                             .y = y.mutable_raw()});
  return Cast(y, m.dtype());
}

}  // namespace

std::vector<QuinticStep> NewtonSchulzSteps(NewtonSchulzTable table, int steps) {
  const Table& published = TableOf(table);
  std::vector<QuinticStep> result;
  for (int i = 0; i < steps; ++i) {
    const size_t row = std::min<size_t>(i, published.steps.size() - 1);
    const bool last = row + 1 == published.steps.size();
    result.push_back(Divided(published.steps[row], last ? 1.0 : published.step_margin));
  }
  if (steps > 0) result[0] = Divided(result[0], published.norm_margin);
  return result;
}

SingularRange MapRange(absl::Span<const QuinticStep> steps, SingularRange range) {
  for (const QuinticStep& q : steps) {
    // The extremes are at the ends or where the derivative a + 3 b s^2 + 5 c s^4 is zero.
    std::vector<double> values = {Value(q, range.low), Value(q, range.high)};
    const double root = std::sqrt(std::max(0.0, 9 * q.b * q.b - 20 * q.a * q.c));
    for (const double square : {(-3 * q.b - root) / (10 * q.c), (-3 * q.b + root) / (10 * q.c)}) {
      const double s = std::sqrt(std::max(0.0, square));
      if (s > range.low && s < range.high) values.push_back(Value(q, s));
    }
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    range = {*low, *high};
  }
  return range;
}

Tensor NewtonSchulz(const Tensor& m, absl::Span<const QuinticStep> given_steps) {
  const OpScope scope("newton_schulz");
  PALIMPSEST_CHECK(m.rank() >= 2) << "needs matrices, got " << m;
  const std::vector<QuinticStep> steps(given_steps.begin(), given_steps.end());
  if (ComposedScope::Active() || !newton_schulz.Has(m.device())) return Composed(m, steps);
  const Tensor y = RunUnrecorded([&] { return Tensors{Fused(m, steps)}; })[0];
  const JointVjp vjp = [m, steps](const Tensors& dys) {
    Tape tape;
    tape.Watch(m);
    return tape.Gradient(Composed(m, steps), {m}, dys[0]);
  };
  return RecordFused({y}, {m}, vjp,
                     [steps](const Tensors& in) -> Tensors { return {Composed(in[0], steps)}; })[0];
}

}  // namespace palimpsest
