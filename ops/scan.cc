#include "kernels/scan.h"

#include <algorithm>
#include <utility>

#include "core/op_scope.h"
#include "core/tape.h"
#include "ops/elementwise.h"
#include "ops/flop_count.h"
#include "ops/layout.h"
#include "ops/reduce.h"

namespace palimpsest {
namespace {

struct Extents {
  int64_t outer = 1, n, inner = 1;

  Extents(const Shape& shape, int axis) : n(shape[axis]) {
    for (int i = 0; i < axis; ++i) outer *= shape[i];
    for (size_t i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
  }
};

Tensor RunScan(ScanOp op, const Tensor& x, int axis, bool reverse) {
  PALIMPSEST_CHECK(IsFloat(x.dtype())) << "needs a float dtype, got " << x;
  Tensor y = Tensor::Empty(x.shape(), x.dtype(), x.device());
  const Extents e(x.shape(), axis);
  FlopCount::Add(x.size());
  scan(x.device(), {op, x.dtype(), reverse, e.outer, e.n, e.inner, x.raw(), y.mutable_raw()});
  return y;
}

// y_t = log(exp(y_{t-1}) + exp(x_t)), step by step.
Tensor ComposedLogCumSumExp(const Tensor& x, int axis, bool reverse) {
  Tensors steps;
  for (int64_t step = 0; step < x.dim(axis); ++step) {
    const int64_t t = reverse ? x.dim(axis) - 1 - step : step;
    const Tensor x_t = Slice(x, axis, t, t + 1);
    steps.push_back(steps.empty() ? x_t : Add(steps.back(), Softplus(Sub(x_t, steps.back()))));
  }
  if (reverse) std::reverse(steps.begin(), steps.end());
  return Concat(steps, axis);
}

}  // namespace

Tensor CumSum(const Tensor& x, int axis, bool reverse) {
  const OpScope scope("cum_sum");
  axis = NormalizeAxis(axis, x.rank());
  return Record(RunScan(ScanOp::kSum, x, axis, reverse),
                {{x, [axis, reverse](const Tensor& dy) { return CumSum(dy, axis, !reverse); }}});
}

Tensor LogCumSumExp(const Tensor& x, int axis, bool reverse) {
  const OpScope scope("log_cum_sum_exp");
  // The gradient needs the result's digits.
  if (x.dtype() == DType::kBf16)
    return Cast(LogCumSumExp(Cast(x, DType::kF32), axis, reverse), x.dtype());
  axis = NormalizeAxis(axis, x.rank());
  const Tensor y = RunScan(ScanOp::kLogSumExp, x, axis, reverse);
  if (x.size() == 0) return y;
  const JointVjp vjp = [x, y, axis, reverse](const Tensors& dys) -> Tensors {
    Tensor dx = Tensor::Empty(x.shape(), x.dtype(), x.device());
    const Extents e(x.shape(), axis);
    log_scan_grad(x.device(), {x.dtype(), reverse, e.outer, e.n, e.inner, x.raw(), y.raw(),
                               dys[0].raw(), dx.mutable_raw()});
    return {dx};
  };
  return RecordFused({y}, {x}, vjp, [axis, reverse](const Tensors& inputs) -> Tensors {
    return {ComposedLogCumSumExp(inputs[0], axis, reverse)};
  })[0];
}

}  // namespace palimpsest
