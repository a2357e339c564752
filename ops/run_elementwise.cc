#include "ops/run_elementwise.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ops/flop_count.h"

namespace palimpsest {
namespace {

// The axes of `out` and how k operands are read along them, adjacent axes merged where all operands
// allow.
template <size_t k>
struct Axes {
  int rank = 0;
  int64_t shape[kMaxBroadcastRank];
  std::array<int64_t[kMaxBroadcastRank], k> strides;

  Axes(const Shape& out, const std::array<const Shape*, k>& operands) {
    PALIMPSEST_CHECK(out.size() <= kMaxBroadcastRank)
        << "more than " << kMaxBroadcastRank << " axes: " << out;
    std::array<int64_t, k> dense;
    dense.fill(1);
    // Innermost first.
    for (size_t i = 0; i < out.size(); ++i) {
      const int64_t extent = out[out.size() - 1 - i];
      if (extent == 1) continue;
      std::array<int64_t, k> stride;
      bool merge = rank > 0;
      for (size_t j = 0; j < k; ++j) {
        const Shape& s = *operands[j];
        const bool present = i < s.size() && s[s.size() - 1 - i] != 1;
        stride[j] = present ? dense[j] : 0;
        if (present) dense[j] *= extent;
        merge = merge && stride[j] == strides[j][rank - 1] * shape[rank - 1];
      }
      if (merge) {
        shape[rank - 1] *= extent;
      } else {
        shape[rank] = extent;
        for (size_t j = 0; j < k; ++j) strides[j][rank] = stride[j];
        ++rank;
      }
    }
    if (rank == 0) {
      shape[rank++] = 1;
      for (auto& s : strides) s[0] = 1;
    }
    std::reverse(shape, shape + rank);
    for (auto& s : strides) std::reverse(s, s + rank);
  }
};

}  // namespace

Tensor RunUnary(UnaryOp op, const Tensor& x, double p, double q) {
  PALIMPSEST_CHECK(IsFloat(x.dtype())) << "needs a float dtype, got " << x;
  Tensor y = Tensor::Empty(x.shape(), x.dtype(), x.device());
  FlopCount::Add(x.size());
  unary(x.device(), {op, x.dtype(), x.size(), x.raw(), y.mutable_raw(), p, q});
  return y;
}

Tensor RunCast(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  Tensor y = Tensor::Empty(x.shape(), dtype, x.device());
  cast(x.device(), {x.dtype(), dtype, x.size(), x.raw(), y.mutable_raw()});
  return y;
}

Tensor RunBinary(BinaryOp op, const Tensor& a, const Tensor& b, double p, double q, Tensor out) {
  PALIMPSEST_CHECK(a.dtype() == b.dtype() && a.device() == b.device()) << a << " and " << b;
  const Shape shape = Broadcast(a.shape(), b.shape());
  const DType dtype = op >= BinaryOp::kGreater ? DType::kI32 : a.dtype();
  if (!out) out = Tensor::Empty(shape, dtype, a.device());
  const Axes<2> axes(shape, {&a.shape(), &b.shape()});
  BinaryArgs args{.op = op,
                  .dtype = a.dtype(),
                  .rank = axes.rank,
                  .shape = {},
                  .a_strides = {},
                  .b_strides = {},
                  .a = a.raw(),
                  .b = b.raw(),
                  .out = out.mutable_raw(),
                  .p = p,
                  .q = q};
  std::copy_n(axes.shape, axes.rank, args.shape);
  std::copy_n(axes.strides[0], axes.rank, args.a_strides);
  std::copy_n(axes.strides[1], axes.rank, args.b_strides);
  FlopCount::Add(out.size());
  binary(a.device(), args);
  return out;
}

Tensor RunWhere(const Tensor& mask, const Tensor& a, const Tensor& b) {
  PALIMPSEST_CHECK(mask.dtype() == DType::kI32 && a.dtype() == b.dtype())
      << mask << ", " << a << " and " << b;
  PALIMPSEST_CHECK(mask.device() == a.device() && a.device() == b.device())
      << mask << ", " << a << " and " << b;
  const Shape shape = Broadcast(mask.shape(), Broadcast(a.shape(), b.shape()));
  Tensor out = Tensor::Empty(shape, a.dtype(), a.device());
  const Axes<3> axes(shape, {&mask.shape(), &a.shape(), &b.shape()});
  WhereArgs args{.dtype = a.dtype(),
                 .rank = axes.rank,
                 .shape = {},
                 .mask_strides = {},
                 .a_strides = {},
                 .b_strides = {},
                 .mask = mask.data<int32_t>(),
                 .a = a.raw(),
                 .b = b.raw(),
                 .out = out.mutable_raw()};
  std::copy_n(axes.shape, axes.rank, args.shape);
  std::copy_n(axes.strides[0], axes.rank, args.mask_strides);
  std::copy_n(axes.strides[1], axes.rank, args.a_strides);
  std::copy_n(axes.strides[2], axes.rank, args.b_strides);
  where(a.device(), args);
  return out;
}

}  // namespace palimpsest
