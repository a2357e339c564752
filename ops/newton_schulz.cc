#include "ops/newton_schulz.h"

#include "core/op_scope.h"
#include "ops/elementwise.h"
#include "ops/linalg.h"
#include "ops/reduce.h"

namespace palimpsest {

std::vector<QuinticStep> JordanSteps(int steps) {
  return std::vector<QuinticStep>(steps, QuinticStep{3.4445, -4.7750, 2.0315});
}

Tensor NewtonSchulz(const Tensor& m, absl::Span<const QuinticStep> steps) {
  const OpScope scope("newton_schulz");
  PALIMPSEST_CHECK(m.rank() >= 2) << "needs matrices, got " << m;
  // The Gram matrix of the shorter side.
  const bool tall = m.dim(-2) > m.dim(-1);
  const Tensor least = Tensor::Full({}, 1e-7, m.dtype(), m.device());
  Tensor x = Div(m, Maximum(Norm(m, {-2, -1}, /*keep=*/true), least));
  for (const QuinticStep& step : steps) {
    const Tensor gram = MatMul(x, x, {.a = tall, .b = !tall});
    const Tensor poly = Add(Mul(gram, step.b), Mul(MatMul(gram, gram), step.c));
    x = Add(Mul(x, step.a), tall ? MatMul(x, poly) : MatMul(poly, x));
  }
  return x;
}

}  // namespace palimpsest
