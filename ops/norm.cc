#include "ops/norm.h"

#include <utility>

#include "core/op_scope.h"
#include "core/tape.h"
#include "kernels/norm.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"

namespace palimpsest {
namespace {

struct Kind {
  bool centered;
  double scale;  // Of the sum of squares.
  double eps;
};

// (x - mean) / sqrt(scale sum (x - mean)^2 + eps) weight + bias, in f32 for bf16.
Tensor Composed(const Kind& kind, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (x.dtype() == DType::kBf16) {
    const auto widen = [](const Tensor& t) { return t ? Cast(t, DType::kF32) : t; };
    return Cast(Composed(kind, widen(x), widen(weight), widen(bias)), x.dtype());
  }
  const Tensor v = kind.centered ? Sub(x, Mean(x, {-1}, true)) : x;
  Tensor y = Mul(v, Rsqrt(Add(Mul(Sum(Mul(v, v), {-1}, true), kind.scale), kind.eps)));
  if (weight) y = Mul(y, weight);
  return bias ? Add(y, bias) : y;
}

void CheckParameter(const Tensor& x, const Tensor& parameter) {
  PALIMPSEST_CHECK(!parameter ||
                   (parameter.shape() == Shape{x.dim(-1)} && parameter.dtype() == x.dtype() &&
                    parameter.device() == x.device()))
      << x << " with a weight or bias " << parameter;
}

const void* RawOrNull(const Tensor& t) { return t ? t.raw() : nullptr; }

Tensor EmptyLike(const Tensor& t) {
  return t ? Tensor::Empty(t.shape(), t.dtype(), t.device()) : Tensor();
}

Tensor Fused(const Kind& kind, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  CheckParameter(x, weight);
  CheckParameter(x, bias);
  const int64_t n = x.dim(-1), rows = n == 0 ? 0 : x.size() / n;
  Tensor y = EmptyLike(x);
  const NormArgs args{.centered = kind.centered,
                      .scale = kind.scale,
                      .eps = kind.eps,
                      .dtype = x.dtype(),
                      .rows = rows,
                      .n = n,
                      .x = x.raw(),
                      .weight = RawOrNull(weight),
                      .bias = RawOrNull(bias),
                      .y = y.mutable_raw()};
  norm(x.device(), args);
  Tensors inputs = {x};
  if (weight) inputs.push_back(weight);
  if (bias) inputs.push_back(bias);
  const bool has_weight = static_cast<bool>(weight), has_bias = static_cast<bool>(bias);
  // `args` points into x, weight and bias.
  const JointVjp vjp = [args, x, weight, bias](const Tensors& dys) {
    Tensor dx = EmptyLike(x), dweight = EmptyLike(weight), dbias = EmptyLike(bias);
    norm_grad(x.device(), {.forward = args,
                           .dy = dys[0].raw(),
                           .dx = dx.mutable_raw(),
                           .dweight = dweight ? dweight.mutable_raw() : nullptr,
                           .dbias = dbias ? dbias.mutable_raw() : nullptr});
    Tensors gradients = {dx};
    if (dweight) gradients.push_back(dweight);
    if (dbias) gradients.push_back(dbias);
    return gradients;
  };
  return RecordFused({y}, inputs, vjp, [=](const Tensors& in) -> Tensors {
    return {Composed(kind, in[0], has_weight ? in[1] : Tensor(), has_bias ? in.back() : Tensor())};
  })[0];
}

double MeanOver(const Tensor& x) {
  PALIMPSEST_CHECK(IsFloat(x.dtype()) && x.rank() > 0) << x;
  return 1.0 / static_cast<double>(x.dim(-1));
}

}  // namespace

Tensor RmsNorm(const Tensor& x, const Tensor& weight, double eps) {
  const OpScope scope("rms_norm");
  return Fused({.centered = false, .scale = MeanOver(x), .eps = eps}, x, weight, {});
}

Tensor LayerNorm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  const OpScope scope("layer_norm");
  return Fused({.centered = true, .scale = MeanOver(x), .eps = eps}, x, weight, bias);
}

Tensor L2Normalize(const Tensor& x, double eps) {
  const OpScope scope("l2_normalize");
  PALIMPSEST_CHECK(IsFloat(x.dtype()) && x.rank() > 0) << x;
  return Fused({.centered = false, .scale = 1.0, .eps = eps}, x, {}, {});
}

}  // namespace palimpsest
