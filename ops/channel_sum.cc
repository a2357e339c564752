#include "ops/channel_sum.h"

#include <utility>

#include "core/op_scope.h"
#include "core/tape.h"
#include "kernels/channel_sum.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"

namespace palimpsest {
namespace {

// The definition, in ops; in f32 for bf16.
Tensor Composed(const Tensor& x, const Tensor& weight) {
  if (x.dtype() == DType::kBf16) {
    const auto wide = [](const Tensor& t) { return Cast(t, DType::kF32); };
    return Cast(Composed(wide(x), wide(weight)), DType::kBf16);
  }
  return Sum(Mul(x, weight), {-2});
}

ChannelSumArgs Args(const Tensor& x, const Tensor& weight) {
  return {.dtype = x.dtype(),
          .rows = NumElements(Shape(x.shape().begin(), x.shape().end() - 2)),
          .channels = weight.dim(0),
          .width = weight.dim(1),
          .x = x.raw(),
          .weight = weight.raw(),
          .y = nullptr};
}

}  // namespace

Tensor ChannelSum(const Tensor& x, const Tensor& weight) {
  const OpScope scope("channel_sum");
  PALIMPSEST_CHECK(IsFloat(x.dtype()) && x.rank() >= 2 &&
                   weight.shape() == (Shape{x.dim(-2), x.dim(-1)}) && weight.dtype() == x.dtype() &&
                   weight.device() == x.device())
      << "x " << x << ", weight " << weight;
  if (!channel_sum.Has(x.device()) || ComposedScope::Active()) return Composed(x, weight);
  Shape shape = x.shape();
  shape.erase(shape.end() - 2);
  Tensor y = Tensor::Empty(std::move(shape), x.dtype(), x.device());
  ChannelSumArgs args = Args(x, weight);
  args.y = y.mutable_raw();
  channel_sum(x.device(), args);
  auto vjp = [x, weight](const Tensors& dys) {
    Tensor dx = Tensor::Empty(x.shape(), x.dtype(), x.device()),
           dweight = Tensor::Empty(weight.shape(), weight.dtype(), weight.device());
    channel_sum_vjp(x.device(), {.forward = Args(x, weight),
                                 .dy = dys[0].raw(),
                                 .dx = dx.mutable_raw(),
                                 .dweight = dweight.mutable_raw()});
    return Tensors{dx, dweight};
  };
  auto composed = [](const Tensors& in) { return Tensors{Composed(in[0], in[1])}; };
  return RecordFused({std::move(y)}, {x, weight}, std::move(vjp), std::move(composed))[0];
}

}  // namespace palimpsest
