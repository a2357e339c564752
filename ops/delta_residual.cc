#include "ops/delta_residual.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/op_scope.h"
#include "core/tape.h"
#include "kernels/delta_residual.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/norm.h"
#include "ops/reduce.h"

namespace palimpsest {
namespace {

Shape With(Shape shape, std::initializer_list<int64_t> more) {
  shape.insert(shape.end(), more);
  return shape;
}

void CheckShapes(const Tensor& stream, const Tensor& direction, const Tensor& beta,
                 const Tensor& v) {
  const auto fits = [&](const Tensor& x, const Shape& shape, DType dtype) {
    return x.shape() == shape && x.dtype() == dtype && x.device() == stream.device();
  };
  const DType wide = stream.dtype() == DType::kBf16 ? DType::kF32 : stream.dtype();
  const Shape& rows = beta.shape();
  PALIMPSEST_CHECK(IsFloat(stream.dtype()) && stream.rank() >= 2 &&
                   fits(stream, With(rows, {stream.dim(-2), stream.dim(-1)}), stream.dtype()) &&
                   fits(direction, With(rows, {stream.dim(-1)}), stream.dtype()) &&
                   fits(beta, rows, wide) && fits(v, With(rows, {stream.dim(-2)}), wide))
      << "stream " << stream << ", direction " << direction << ", beta " << beta << ", v " << v;
}

// The definition, in ops. k is a row of mean square 1 divided by sqrt(width): nothing small is
// squared and nothing is rounded to bf16 but the result.
Tensor Composed(const Tensor& stream, const Tensor& direction, const Tensor& beta, const Tensor& v,
                const DeltaResidualOptions& options) {
  if (stream.dtype() == DType::kBf16) {
    const auto wide = [](const Tensor& x) { return Cast(x, DType::kF32); };
    return Cast(Composed(wide(stream), wide(direction), beta, v, options), DType::kBf16);
  }
  const Shape& rows = beta.shape();
  const auto width = static_cast<double>(std::max<int64_t>(stream.dim(-1), 1));
  const Tensor unit =
      Mul(RmsNorm(direction, {}, options.eps * options.eps / width), 1.0 / std::sqrt(width));
  const Tensor k = Reshape(unit, With(rows, {1, stream.dim(-1)}));
  const Tensor error = options.erase ? Sub(v, Sum(Mul(stream, k), {-1})) : v;
  const Tensor written = Mul(Reshape(beta, With(rows, {1})), error);
  return Add(stream, Mul(Reshape(written, With(v.shape(), {1})), k));
}

DeltaResidualArgs Args(const Tensor& stream, const Tensor& direction, const Tensor& beta,
                       const Tensor& v, const DeltaResidualOptions& options) {
  return {.erase = options.erase,
          .eps = options.eps,
          .dtype = stream.dtype(),
          .rows = beta.size(),
          .channels = stream.dim(-2),
          .width = stream.dim(-1),
          .stream = stream.raw(),
          .direction = direction.raw(),
          .beta = beta.raw(),
          .v = v.raw(),
          .y = nullptr};
}

}  // namespace

Tensor DeltaResidual(const Tensor& stream, const Tensor& direction, const Tensor& beta,
                     const Tensor& v, const DeltaResidualOptions& options) {
  const OpScope scope("delta_residual");
  CheckShapes(stream, direction, beta, v);
  if (!delta_residual.Has(stream.device()) || ComposedScope::Active()) {
    return Composed(stream, direction, beta, v, options);
  }
  Tensor y = Tensor::Empty(stream.shape(), stream.dtype(), stream.device());
  DeltaResidualArgs args = Args(stream, direction, beta, v, options);
  args.y = y.mutable_raw();
  delta_residual(stream.device(), args);

  auto vjp = [=](const Tensors& dys) {
    Tensors dxs;
    for (const Tensor& x : {stream, direction, beta, v})
      dxs.push_back(Tensor::Empty(x.shape(), x.dtype(), x.device()));
    delta_residual_vjp(stream.device(), {.forward = Args(stream, direction, beta, v, options),
                                         .dy = dys[0].raw(),
                                         .dstream = dxs[0].mutable_raw(),
                                         .ddirection = dxs[1].mutable_raw(),
                                         .dbeta = dxs[2].mutable_raw(),
                                         .dv = dxs[3].mutable_raw()});
    return dxs;
  };
  auto composed = [options](const Tensors& in) {
    return Tensors{Composed(in[0], in[1], in[2], in[3], options)};
  };
  return RecordFused({std::move(y)}, {stream, direction, beta, v}, std::move(vjp),
                     std::move(composed))[0];
}

}  // namespace palimpsest
