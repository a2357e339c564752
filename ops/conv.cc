#include "ops/conv.h"

#include <utility>

#include "core/op_scope.h"
#include "core/tape.h"
#include "kernels/causal_conv1d.h"
#include "ops/elementwise.h"
#include "ops/layout.h"

namespace palimpsest {
namespace {

const void* RawOrNull(const Tensor& x) { return x ? x.raw() : nullptr; }

CausalConv1dArgs Args(const Tensor& x, const Tensor& weight, const Tensor& bias,
                      const Tensor& before) {
  return {.batch = x.dim(0),
          .time = x.dim(1),
          .channels = x.dim(2),
          .width = weight.dim(1),
          .dtype = x.dtype(),
          .x = x.raw(),
          .weight = weight.raw(),
          .bias = RawOrNull(bias),
          .before = RawOrNull(before)};
}

void CheckShapes(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& before) {
  const auto fits = [&](const Tensor& p, const Shape& shape) {
    return !p || (p.shape() == shape && p.dtype() == x.dtype() && p.device() == x.device());
  };
  PALIMPSEST_CHECK(x.rank() == 3 && weight.rank() == 2 && weight.dim(1) > 0 &&
                   fits(weight, {x.dim(2), weight.dim(1)}) && fits(bias, {x.dim(2)}) &&
                   fits(before, {x.dim(0), weight.dim(1) - 1, x.dim(2)}))
      << "x " << x << ", weight " << weight << ", bias " << bias << ", before " << before;
}

// The definition, in ops: the sum of the shifted inputs.
Tensor Composed(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& before) {
  const int64_t width = weight.dim(1), time = x.dim(1), channels = x.dim(2);
  const Tensor places = before ? Concat({before, x}, 1) : Pad(x, 1, width - 1, 0);
  Tensor y;
  for (int64_t s = 0; s < width; ++s) {
    const Tensor tap = Reshape(Slice(weight, 1, s, s + 1), {channels});
    const Tensor term = Mul(Slice(places, 1, s, s + time), tap);
    y = y ? Add(y, term) : term;
  }
  return bias ? Add(y, bias) : y;
}

}  // namespace

Tensor CausalConv1d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                    const Tensor& before) {
  const OpScope scope("causal_conv1d");
  CheckShapes(x, weight, bias, before);
  if (!causal_conv1d.Has(x.device()) || ComposedScope::Active()) {
    return Composed(x, weight, bias, before);
  }
  Tensor y = Tensor::Empty(x.shape(), x.dtype(), x.device());
  CausalConv1dArgs args = Args(x, weight, bias, before);
  args.y = y.mutable_raw();
  causal_conv1d(x.device(), args);

  Tensors inputs{x, weight};
  if (bias) inputs.push_back(bias);
  if (before) inputs.push_back(before);
  auto vjp = [x, weight, bias, before](const Tensors& dys) {
    CausalConv1dVjpArgs args{.forward = Args(x, weight, bias, before), .dy = dys[0].raw()};
    Tensors dxs;
    const auto gradient_of = [&](const Tensor& p) {
      return dxs.emplace_back(Tensor::Empty(p.shape(), p.dtype(), p.device())).mutable_raw();
    };
    args.dx = gradient_of(x), args.dweight = gradient_of(weight);
    if (bias) args.dbias = gradient_of(bias);
    if (before) args.dbefore = gradient_of(before);
    causal_conv1d_vjp(x.device(), args);
    return dxs;
  };
  auto composed = [has_bias = static_cast<bool>(bias),
                   has_before = static_cast<bool>(before)](const Tensors& in) {
    return Tensors{
        Composed(in[0], in[1], has_bias ? in[2] : Tensor(), has_before ? in.back() : Tensor())};
  };
  return RecordFused({std::move(y)}, std::move(inputs), std::move(vjp), std::move(composed))[0];
}

}  // namespace palimpsest
