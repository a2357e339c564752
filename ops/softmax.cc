#include "ops/softmax.h"

#include "core/op_scope.h"
#include "core/tape.h"
#include "kernels/softmax.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"

namespace palimpsest {
namespace {

// x - log(sum exp x), in f32 for bf16.
Tensor ComposedLogSoftmax(const Tensor& x) {
  if (x.dtype() == DType::kBf16) return Cast(ComposedLogSoftmax(Cast(x, DType::kF32)), x.dtype());
  return Sub(x, LogSumExp(x, {-1}, true));
}

Tensor ComposedSoftmax(const Tensor& x) {
  if (x.dtype() == DType::kBf16) return Cast(ComposedSoftmax(Cast(x, DType::kF32)), x.dtype());
  return Exp(ComposedLogSoftmax(x));
}

Tensor Fused(bool log, const Tensor& x, Tensor (*composed)(const Tensor&)) {
  PALIMPSEST_CHECK(IsFloat(x.dtype()) && x.rank() > 0) << x;
  const int64_t n = x.dim(-1), rows = n == 0 ? 0 : x.size() / n;
  Tensor y = Tensor::Empty(x.shape(), x.dtype(), x.device());
  softmax(x.device(), {log, x.dtype(), rows, n, x.raw(), y.mutable_raw()});
  const JointVjp vjp = [=](const Tensors& dys) -> Tensors {
    Tensor dx = Tensor::Empty(y.shape(), y.dtype(), y.device());
    softmax_grad(y.device(), {log, y.dtype(), rows, n, y.raw(), dys[0].raw(), dx.mutable_raw()});
    return {dx};
  };
  return RecordFused({y}, {x}, vjp,
                     [composed](const Tensors& in) -> Tensors { return {composed(in[0])}; })[0];
}

}  // namespace

Tensor Softmax(const Tensor& x) {
  const OpScope scope("softmax");
  return Fused(false, x, ComposedSoftmax);
}

Tensor LogSoftmax(const Tensor& x) {
  const OpScope scope("log_softmax");
  return Fused(true, x, ComposedLogSoftmax);
}

}  // namespace palimpsest
