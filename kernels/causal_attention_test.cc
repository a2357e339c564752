// Attention and its gradient on each device, against the CPU's in f64.
#include <cmath>
#include <string>

#include "kernels/causal_attention_vjp.h"
#include "kernels/device_testing.h"

namespace palimpsest {
namespace {

class CausalAttentionTest : public DeviceTest {};

struct Case {
  int64_t batch, time, source, heads, kv_heads, key, value, window, prefix;
};

const Case kCases[] = {
    {2, 33, 33, 4, 2, 16, 8, 0, 0},  // Groups of heads; one query more than a tile.
    {1, 100, 100, 1, 1, 65, 3, 20, 0},
    {2, 19, 30, 4, 2, 8, 24, 7, 0},  // As cuDNN takes them in bf16; after 11 earlier keys.
    {2, 17, 20, 3, 3, 24, 8, 0, 0},
    {1, 63, 70, 2, 2, 7, 9, 5, 3},  // A window and a prefix, after 7 earlier keys.
    {1, 1, 40, 2, 1, 32, 32, 0, 0},
    {1, 20, 20, 1, 1, 256, 256, 0, 0},
    {2, 3, 3, 2, 2, 0, 2, 0, 0},
    {1, 3, 5, 2, 1, 2, 0, 2, 0},
    {0, 3, 3, 1, 1, 2, 2, 0, 0},
    {1, 0, 0, 1, 1, 2, 2, 0, 0},
};

DType LseType(DType dtype) { return dtype == DType::kF64 ? dtype : DType::kF32; }

// {y, dq, dk, dv} of {q, k, v, dy}.
Tensors ForwardAndVjp(const Case& c, const Tensors& in) {
  const Device device = in[0].device();
  Tensor y = EmptyAs(in[3]);
  Tensor lse = Tensor::Empty({c.batch, c.heads, c.time}, LseType(y.dtype()), device);
  const CausalAttentionArgs args{.batch = c.batch,
                                 .time = c.time,
                                 .source = c.source,
                                 .heads = c.heads,
                                 .kv_heads = c.kv_heads,
                                 .key = c.key,
                                 .value = c.value,
                                 .scale = 0.7 / std::sqrt(static_cast<double>(c.key) + 1.0),
                                 .window = c.window,
                                 .prefix = c.prefix,
                                 .dtype = y.dtype(),
                                 .q = in[0].raw(),
                                 .k = in[1].raw(),
                                 .v = in[2].raw(),
                                 .y = y.mutable_raw(),
                                 .lse = lse.mutable_raw()};
  causal_attention(device, args);
  Tensor dq = EmptyAs(in[0]), dk = EmptyAs(in[1]), dv = EmptyAs(in[2]);
  causal_attention_vjp(device, {.forward = args,
                                .y = y.raw(),
                                .lse = lse.raw(),
                                .dy = in[3].raw(),
                                .dq = dq.mutable_raw(),
                                .dk = dk.mutable_raw(),
                                .dv = dv.mutable_raw()});
  return {y, dq, dk, dv};
}

TEST_P(CausalAttentionTest, ForwardAndBackward) {
  for (const Case& c : kCases) {
    const Tensors in = {Normals({c.batch, c.time, c.heads, c.key}, 1),
                        Normals({c.batch, c.source, c.kv_heads, c.key}, 2),
                        Normals({c.batch, c.source, c.kv_heads, c.value}, 3),
                        Normals({c.batch, c.time, c.heads, c.value}, 4)};
    const std::string what = "attention of " + ToString(in[0].shape()) + " to " +
                             ToString(in[1].shape()) + ", window " + std::to_string(c.window);
    ExpectAsInF64(what, GetParam(), in, [&](const Tensors& x) { return ForwardAndVjp(c, x); },
                  {.tolerance = 8.0});
  }
}

PALIMPSEST_ON_EACH_DEVICE(CausalAttentionTest);

}  // namespace
}  // namespace palimpsest
