#include "ops/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/op_scope.h"
#include "core/tape.h"
#include "kernels/causal_attention.h"
#include "kernels/causal_attention_vjp.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/linalg.h"
#include "ops/softmax.h"

namespace palimpsest {
namespace {

CausalAttentionArgs Args(const Tensor& q, const Tensor& k, const Tensor& v,
                         const AttentionOptions& options) {
  const double key = static_cast<double>(std::max<int64_t>(q.dim(3), 1));
  return {.batch = q.dim(0),
          .time = q.dim(1),
          .source = k.dim(1),
          .heads = q.dim(2),
          .kv_heads = k.dim(2),
          .key = q.dim(3),
          .value = v.dim(3),
          .scale = options.scale == 0.0 ? 1.0 / std::sqrt(key) : options.scale,
          .window = options.window,
          .prefix = options.prefix,
          .dtype = q.dtype(),
          .q = q.raw(),
          .k = k.raw(),
          .v = v.raw()};
}

void CheckShapes(const Tensor& q, const Tensor& k, const Tensor& v,
                 const AttentionOptions& options) {
  const auto like_q = [&](const Tensor& x) {
    return x.dtype() == q.dtype() && x.device() == q.device();
  };
  PALIMPSEST_CHECK(q.rank() == 4 && k.rank() == 4 && v.rank() == 4 && k.dim(0) == q.dim(0) &&
                   k.dim(1) >= q.dim(1) && k.dim(3) == q.dim(3) && v.dim(0) == k.dim(0) &&
                   v.dim(1) == k.dim(1) && v.dim(2) == k.dim(2) && like_q(k) && like_q(v))
      << "q " << q << ", k " << k << ", v " << v;
  PALIMPSEST_CHECK(k.dim(2) == 0 ? q.dim(2) == 0 : q.dim(2) % k.dim(2) == 0)
      << q.dim(2) << " heads are no multiple of " << k.dim(2) << ": q " << q << ", k " << k
      << ", v " << v;
  PALIMPSEST_CHECK(options.window >= 0 && options.prefix >= 0)
      << "window " << options.window << ", prefix " << options.prefix;
}

// [time, source], 1 where a query sees a key.
Tensor SeenMask(const CausalAttentionArgs& a, Device device) {
  Tensor mask = Tensor::Empty({a.time, a.source}, DType::kI32);
  int32_t* seen = mask.mutable_data<int32_t>();
  for (int64_t t = 0; t < a.time; ++t) {
    const int64_t position = a.source - a.time + t;
    for (int64_t s = 0; s < a.source; ++s) {
      const bool recent = s <= position && (a.window == 0 || s > position - a.window);
      *seen++ = recent || s < a.prefix;
    }
  }
  return CopyTo(mask, device);
}

// The definition, in ops: all logits at once.
Tensor Composed(const Tensor& q, const Tensor& k, const Tensor& v,
                const AttentionOptions& options) {
  const CausalAttentionArgs a = Args(q, k, v, options);
  const int64_t group = a.kv_heads == 0 ? 0 : a.heads / a.kv_heads;
  const DType dtype = a.dtype == DType::kBf16 ? DType::kF32 : a.dtype;
  // [batch, kv_heads, group * time, key]: the heads of a group share a matrix.
  const auto by_head = [&](const Tensor& x) { return Permute(Cast(x, dtype), {0, 2, 1, 3}); };
  const Tensor q_rows = Reshape(by_head(q), {a.batch, a.kv_heads, group * a.time, a.key});
  const Tensor logits = Mul(MatMul(q_rows, by_head(k), {.b = true}), a.scale);
  const Tensor never =
      Tensor::Full({}, -std::numeric_limits<double>::infinity(), dtype, q.device());
  const Tensor seen = Where(SeenMask(a, q.device()),
                            Reshape(logits, {a.batch, a.kv_heads, group, a.time, a.source}), never);
  const Tensor p = Reshape(Softmax(seen), {a.batch, a.kv_heads, group * a.time, a.source});
  const Tensor y = Reshape(MatMul(p, by_head(v)), {a.batch, a.heads, a.time, a.value});
  return Cast(Permute(y, {0, 2, 1, 3}), a.dtype);
}

}  // namespace

Tensor CausalAttention(const Tensor& q, const Tensor& k, const Tensor& v,
                       const AttentionOptions& options) {
  const OpScope scope("causal_attention");
  CheckShapes(q, k, v, options);
  if (!causal_attention.Has(q.device()) || ComposedScope::Active()) {
    return Composed(q, k, v, options);
  }
  CausalAttentionArgs args = Args(q, k, v, options);
  Tensor y = Tensor::Empty({args.batch, args.time, args.heads, args.value}, args.dtype, q.device());
  Tensor lse = Tensor::Empty({args.batch, args.heads, args.time},
                             args.dtype == DType::kBf16 ? DType::kF32 : args.dtype, q.device());
  args.y = y.mutable_raw(), args.lse = lse.mutable_raw();
  causal_attention(q.device(), args);

  auto vjp = [=](const Tensors& dys) {
    CausalAttentionVjpArgs vjp_args{
        .forward = args, .y = y.raw(), .lse = lse.raw(), .dy = dys[0].raw()};
    Tensors dxs;
    for (const Tensor& x : {q, k, v})
      dxs.push_back(Tensor::Empty(x.shape(), x.dtype(), x.device()));
    vjp_args.dq = dxs[0].mutable_raw(), vjp_args.dk = dxs[1].mutable_raw(),
    vjp_args.dv = dxs[2].mutable_raw();
    causal_attention_vjp(q.device(), vjp_args);
    return dxs;
  };
  auto composed = [options](const Tensors& in) {
    return Tensors{Composed(in[0], in[1], in[2], options)};
  };
  return RecordFused({y}, {q, k, v}, std::move(vjp), std::move(composed))[0];
}

}  // namespace palimpsest
