#include "ops/reduce.h"

#include <cmath>
#include <limits>
#include <utility>

#include "core/op_scope.h"
#include "core/tape.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/run_reduce.h"

namespace palimpsest {
namespace {

struct Reduction {
  std::vector<bool> reduced;
  Shape kept, result;

  Reduction(const Tensor& x, const std::vector<int>& axes, bool keep)
      : reduced(ReducedAxes(x, axes)),
        kept(ReducedShape(x.shape(), reduced, true)),
        result(keep ? kept : ReducedShape(x.shape(), reduced, false)) {}
};

Tensor Constant(double value, const Tensor& like) {
  return Tensor::Full({}, value, like.dtype(), like.device());
}

}  // namespace

Tensor Sum(const Tensor& x, const std::vector<int>& axes, bool keep) {
  const OpScope scope("sum");
  const Reduction r(x, axes, keep);
  return Record(RunReduce(ReduceOp::kSum, x, r.reduced).WithShape(r.result),
                {{x, [shape = x.shape(), kept = r.kept](const Tensor& dy) {
                    return BroadcastTo(Reshape(dy, kept), shape);
                  }}});
}

Tensor Mean(const Tensor& x, const std::vector<int>& axes, bool keep) {
  const OpScope scope("mean");
  const Reduction r(x, axes, keep);
  const double results = static_cast<double>(NumElements(r.kept));
  const double scale = results / static_cast<double>(x.size());
  return Record(
      RunReduce(ReduceOp::kSum, x, r.reduced, scale).WithShape(r.result),
      {{x, [shape = x.shape(), kept = r.kept, scale = x.size() == 0 ? 0.0 : scale](
               const Tensor& dy) { return BroadcastTo(Mul(Reshape(dy, kept), scale), shape); }}});
}

Tensor Max(const Tensor& x, const std::vector<int>& axes, bool keep) {
  const OpScope scope("max");
  const Reduction r(x, axes, keep);
  const Tensor max = RunReduce(ReduceOp::kMax, x, r.reduced);
  return Record(max.WithShape(r.result),
                {{x, [x, max, r](const Tensor& dy) {
                    const Tensor at = Cast(Equal(x, max), x.dtype());
                    const Tensor share = Div(at, Tensor(RunReduce(ReduceOp::kSum, at, r.reduced)));
                    return Mul(share, Reshape(dy, r.kept));
                  }}});
}

Tensor LogSumExp(const Tensor& x, const std::vector<int>& axes, bool keep) {
  const OpScope scope("log_sum_exp");
  if (x.dtype() == DType::kBf16)
    return Cast(LogSumExp(Cast(x, DType::kF32), axes, keep), x.dtype());
  const Reduction r(x, axes, keep);
  const Tensor y = RunLogSumExp(x, r.reduced).WithShape(r.result);
  return Record(y, {{x, [x, y, r](const Tensor& dy) {
                       // Where y is -inf every x is, and their weights are 0: exp(-inf - 0).
                       const Tensor infinity = Constant(std::numeric_limits<double>::infinity(), y);
                       const Tensor base = Where(Equal(y, Neg(infinity)), Constant(0.0, y), y);
                       return Mul(Exp(Sub(x, Reshape(base, r.kept))), Reshape(dy, r.kept));
                     }}});
}

Tensor Norm(const Tensor& x, const std::vector<int>& axes, bool keep) {
  const OpScope scope("norm");
  if (x.dtype() == DType::kBf16) return Cast(Norm(Cast(x, DType::kF32), axes, keep), x.dtype());
  const Reduction r(x, axes, keep);
  const Tensor y = Sqrt(RunReduce(ReduceOp::kSumSquares, x, r.reduced)).WithShape(r.result);
  return Record(y, {{x, [x, y, r](const Tensor& dy) {
                       const Tensor length = Where(Equal(y, Constant(0.0, y)), Constant(1.0, y), y);
                       return Mul(x, Reshape(Div(dy, length), r.kept));
                     }}});
}

}  // namespace palimpsest
