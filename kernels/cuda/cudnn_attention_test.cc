// Attention on a cuDNN that computes its graphs on the host: what is asked of it is attention. What
// cuDNN itself makes of the graphs is cudnn_plan_test's.
#include "kernels/cuda/cudnn_attention.h"

#include <set>
#include <utility>

#include "kernels/device_testing.h"

namespace palimpsest {
namespace {

TEST(CudnnSlices, HaveEachHeadOnceAndNoMoreThanAsked) {
  for (const int64_t batches : {1, 3, 8}) {
    for (const int64_t heads : {1, 4, 5}) {
      for (const int64_t most : {1, 2, 3, 5, 9, 100}) {
        std::set<std::pair<int64_t, int64_t>> seen;
        for (const CudnnSlice& slice : CudnnSlices(batches, heads, most)) {
          EXPECT_LE(slice.batches * slice.kv_heads, most);
          EXPECT_TRUE(slice.batches == 1 || slice.kv_heads == heads);
          for (int64_t b = 0; b < slice.batches; ++b) {
            for (int64_t head = 0; head < slice.kv_heads; ++head)
              EXPECT_TRUE(seen.insert({slice.batch + b, slice.kv_head + head}).second);
          }
        }
        EXPECT_EQ(static_cast<int64_t>(seen.size()), batches * heads);
      }
    }
  }
}

CausalAttentionArgs Args() {
  return {.batch = 2,
          .time = 18,
          .source = 21,
          .heads = 6,
          .kv_heads = 3,
          .key = 8,
          .value = 16,
          .scale = 0.3,
          .window = 9,
          .dtype = DType::kBf16};
}

TEST(CudnnTakes, WhatItsEnginesCompute) {
  EXPECT_TRUE(CudnnTakes(Args()));
  const auto takes = [](auto change) {
    CausalAttentionArgs args = Args();
    change(args);
    return CudnnTakes(args);
  };
  EXPECT_FALSE(takes([](auto& a) { a.dtype = DType::kF32; }));
  EXPECT_FALSE(takes([](auto& a) { a.prefix = 1; }));
  EXPECT_FALSE(takes([](auto& a) { a.time = 1; }));
  EXPECT_FALSE(takes([](auto& a) { a.time = 22; }));
  EXPECT_FALSE(takes([](auto& a) { a.key = 12; }));
  EXPECT_FALSE(takes([](auto& a) { a.value = 264; }));
  EXPECT_FALSE(takes([](auto& a) { a.batch = 0; }));
  EXPECT_FALSE(takes([](auto& a) { a.q = reinterpret_cast<const void*>(8); }));
  const auto long_sequence = [](auto& a) { a.time = a.source = int64_t{1} << 17; };
  EXPECT_TRUE(takes(long_sequence));
  CausalAttentionVjpArgs vjp{.forward = Args()};
  EXPECT_FALSE(CudnnTakes(vjp));
  for (const auto& [time, source] : {std::pair(18, 18), std::pair(64, 77)}) {
    vjp.forward.time = time, vjp.forward.source = source;
    EXPECT_TRUE(CudnnTakes(vjp)) << time;
  }
  long_sequence(vjp.forward);
  EXPECT_FALSE(CudnnTakes(vjp));
}

// {y, dq, dk, dv} of {q, k, v, dy}, on the device of q; on the simulated one by cuDNN.
Tensors ForwardAndVjp(const Tensors& in, int64_t workspace_bytes) {
  CausalAttentionArgs args = Args();
  Tensor y = EmptyAs(in[3]), dq = EmptyAs(in[0]), dk = EmptyAs(in[1]), dv = EmptyAs(in[2]);
  const bool exact = y.dtype() == DType::kF64;
  Tensor lse = Tensor::Empty({args.batch, args.heads, args.time}, exact ? DType::kF64 : DType::kF32,
                             y.device());
  args.dtype = y.dtype();
  args.q = in[0].raw(), args.k = in[1].raw(), args.v = in[2].raw();
  args.y = y.mutable_raw(), args.lse = lse.mutable_raw();
  const CausalAttentionVjpArgs vjp{.forward = args,
                                   .y = y.raw(),
                                   .lse = lse.raw(),
                                   .dy = in[3].raw(),
                                   .dq = dq.mutable_raw(),
                                   .dk = dk.mutable_raw(),
                                   .dv = dv.mutable_raw()};
  if (exact) {
    causal_attention(Device::kCpu, args);
    causal_attention_vjp(Device::kCpu, vjp);
  } else {
    CudnnAttention(args);
    CudnnAttentionVjp(vjp, workspace_bytes);
  }
  return {y, lse, dq, dk, dv};
}

TEST(CudnnAttention, IsTheSameInSlices) {
  const CausalAttentionArgs a = Args();
  const Tensors in = {Normals({a.batch, a.time, a.heads, a.key}, 1),
                      Normals({a.batch, a.source, a.kv_heads, a.key}, 2),
                      Normals({a.batch, a.source, a.kv_heads, a.value}, 3),
                      Normals({a.batch, a.time, a.heads, a.value}, 4)};
  constexpr int64_t kOfHead = 2 * 128 * 128 * 2;  // Two heads of queries, a tile of bf16.
  for (const int64_t heads : {1, 2, 3, 6}) {
    ExpectAsInF64("attention, " + std::to_string(heads) + " heads at a time",
                  Device::kSimulatedCuda, in,
                  [&](const Tensors& x) { return ForwardAndVjp(x, heads * kOfHead); },
                  {.dtypes = {DType::kBf16}, .tolerance = 4.0});
  }
}

}  // namespace
}  // namespace palimpsest
