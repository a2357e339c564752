#include "ops/run_reduce.h"

#include <limits>
#include <utility>

#include "ops/flop_count.h"
#include "ops/run_elementwise.h"

namespace palimpsest {
namespace {

Tensor Reduce(ReduceOp op, const Tensor& x, int64_t outer, int64_t n, int64_t inner, double scale,
              Tensor shift = {}) {
  Tensor y = Tensor::Empty({outer, inner}, x.dtype(), x.device());
  FlopCount::Add(x.size());
  reduce(x.device(), {op, x.dtype(), outer, n, inner, x.raw(), y.mutable_raw(),
                      shift ? shift.raw() : nullptr, scale});
  return y;
}

// Several steps on bf16 would round in between.
bool TakesSteps(const Shape& shape, const std::vector<bool>& reduced) {
  int runs = 0;
  bool inside = false;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 1) continue;
    runs += reduced[i] && !inside;
    inside = reduced[i];
  }
  return runs > 1;
}

}  // namespace

std::vector<bool> ReducedAxes(const Tensor& x, const std::vector<int>& axes) {
  PALIMPSEST_CHECK(IsFloat(x.dtype())) << "needs a float dtype, got " << x;
  std::vector<bool> reduced(x.rank(), axes.empty());
  for (const int axis : axes) {
    const int i = NormalizeAxis(axis, x.rank());
    PALIMPSEST_CHECK(!reduced[i]) << "axis " << axis << " of " << x << " twice";
    reduced[i] = true;
  }
  return reduced;
}

Shape ReducedShape(const Shape& shape, const std::vector<bool>& reduced, bool keep) {
  Shape result;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (!reduced[i]) {
      result.push_back(shape[i]);
    } else if (keep) {
      result.push_back(1);
    }
  }
  return result;
}

Tensor ReduceEach(Tensor x, const std::vector<bool>& reduced, ReduceAxis step) {
  const Shape shape = x.shape(), result = ReducedShape(shape, reduced, true);
  int64_t inner = 1;
  bool any = false;
  for (size_t end = shape.size(); end > 0;) {
    size_t begin = end - 1;
    if (!reduced[begin] || shape[begin] == 1) {
      inner *= reduced[begin] ? 1 : shape[begin];
      --end;
      continue;
    }
    while (begin > 0 && (reduced[begin - 1] || shape[begin - 1] == 1)) --begin;
    int64_t n = 1, outer = 1;
    for (size_t i = begin; i < end; ++i) n *= shape[i];
    for (size_t i = 0; i < begin; ++i) outer *= shape[i];
    x = step(x, outer, n, inner);
    any = true;
    end = begin;
  }
  if (!any) x = step(x, 1, 1, inner);
  return x.WithShape(result);
}

Tensor RunReduce(ReduceOp op, const Tensor& x, const std::vector<bool>& reduced, double scale) {
  const bool wide = x.dtype() == DType::kBf16 && TakesSteps(x.shape(), reduced);
  const Tensor y = ReduceEach(wide ? RunCast(x, DType::kF32) : x, reduced,
                              [&](const Tensor& x, int64_t outer, int64_t n, int64_t inner) {
                                const Tensor y = Reduce(op, x, outer, n, inner, scale);
                                scale = 1.0;
                                if (op == ReduceOp::kSumSquares) op = ReduceOp::kSum;
                                return y;
                              });
  return RunCast(y, x.dtype());
}

Tensor RunLogSumExp(const Tensor& x, const std::vector<bool>& reduced) {
  const double finite = x.dtype() == DType::kF64 ? std::numeric_limits<double>::max()
                                                 : std::numeric_limits<float>::max();
  return ReduceEach(x, reduced, [&](const Tensor& x, int64_t outer, int64_t n, int64_t inner) {
    // A finite shift: infinities come out as themselves.
    const Tensor max = Reduce(ReduceOp::kMax, x, outer, n, inner, 1.0);
    const Tensor shift = RunUnary(UnaryOp::kClamp, max, -finite, finite);
    const Tensor sum = Reduce(ReduceOp::kSumExp, x, outer, n, inner, 1.0, shift);
    return RunBinary(BinaryOp::kAdd, RunUnary(UnaryOp::kLog, sum), shift);
  });
}

}  // namespace palimpsest
