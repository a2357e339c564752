#include "memory_rules/objective.h"

#include "core/op_scope.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"

namespace palimpsest {
namespace {

Tensor Huber(const Tensor& error, const Tensor& delta) {
  const Tensor square = Sum(Mul(error, error), {2});
  const Tensor inside = GreaterEqual(Mul(delta, delta), square);
  const Tensor one = Tensor::Full({}, 1.0, square.dtype(), square.device());
  // The branch not taken must not divide by a norm of 0.
  const Tensor norm = Sqrt(Where(inside, one, square));
  const Tensor outside = Mul(delta, Sub(norm, Mul(delta, 0.5)));
  return Where(inside, Mul(square, 0.5), outside);
}

}  // namespace

Tensor ObjectiveLoss(Objective objective, const Tensor& y, const Tensor& v, double p,
                     const Tensor& delta) {
  const OpScope scope("objective");
  if (objective == Objective::kDot) return Neg(Sum(Mul(y, v)));
  const Tensor error = Sub(y, v);
  switch (objective) {
    case Objective::kL1: return Sum(Sqrt(Add(Mul(error, error), 1e-6)));
    case Objective::kLp: return Mul(Sum(Pow(Abs(error), p)), 1.0 / p);
    case Objective::kHuber: return Sum(Huber(error, delta));
    default: return Mul(Sum(Mul(error, error)), 0.5);
  }
}

}  // namespace palimpsest
