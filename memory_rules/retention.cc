#include "memory_rules/retention.h"

#include "core/op_scope.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "ops/softmax.h"

namespace palimpsest {

Tensor Retained(Retention retention, const Tensor& a, double q, double threshold) {
  const OpScope scope("retention");
  switch (retention) {
    case Retention::kL2: return a;
    case Retention::kLq: {
      // A fresh layer of zeros has no norm to divide by.
      const Tensor sum = Add(Sum(Pow(Abs(a), q), {-2, -1}, /*keep=*/true), 1e-12);
      return Mul(a, Pow(sum, (2.0 - q) / q));
    }
    case Retention::kKl: return Softmax(a);
    case Retention::kElastic: return Mul(Sign(a), Relu(Add(Abs(a), -threshold)));
    case Retention::kSigmoid: return Sigmoid(a);
  }
  return a;
}

}  // namespace palimpsest
