#include "ops/broadcast.h"

#include <vector>

#include "core/op_scope.h"
#include "core/tape.h"
#include "kernels/copy.h"
#include "ops/run_reduce.h"

namespace palimpsest {
namespace {

// Strides with which `from` is read as `to`: 0 where it is repeated.
Shape BroadcastStrides(const Shape& from, const Shape& to) {
  Shape strides(to.size(), 0);
  const Shape dense = DenseStrides(from);
  for (size_t i = 0; i < from.size(); ++i) {
    if (from[i] != 1) strides[to.size() - from.size() + i] = dense[i];
  }
  return strides;
}

}  // namespace

Tensor SumTo(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  const OpScope scope("sum_to");
  PALIMPSEST_CHECK(shape.size() <= x.shape().size() && Broadcast(shape, x.shape()) == x.shape())
      << x << " to " << shape;
  std::vector<bool> reduced(x.rank(), true);
  for (size_t i = x.rank() - shape.size(), j = 0; j < shape.size(); ++i, ++j)
    reduced[i] = shape[j] != x.shape()[i];
  return Record(RunReduce(ReduceOp::kSum, x, reduced).WithShape(shape),
                {{x, [to = x.shape()](const Tensor& dy) { return BroadcastTo(dy, to); }}});
}

Tensor BroadcastTo(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  const OpScope scope("broadcast_to");
  PALIMPSEST_CHECK(Broadcast(x.shape(), shape) == shape) << x << " to " << shape;
  Tensor y = Tensor::Empty(shape, x.dtype(), x.device());
  copy(x.device(), {.element = static_cast<int64_t>(SizeOf(x.dtype())),
                    .extents = shape,
                    .from_strides = BroadcastStrides(x.shape(), shape),
                    .to_strides = DenseStrides(shape),
                    .from = x.raw(),
                    .to = y.mutable_raw()});
  return Record(y, {{x, [to = x.shape()](const Tensor& dy) { return SumTo(dy, to); }}});
}

}  // namespace palimpsest
