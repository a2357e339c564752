#include "kernels/causal_attention_launch.h"
#include "kernels/causal_attention_vjp.h"
#include "kernels/cuda/cudnn_attention.h"
#include "kernels/device/reduce.cuh"

// With P = exp(S - lse): dV = P^T dY, dS = P (dY V^T - sum(dY Y)), dK = dS^T Q, dQ = dS K (Dao et
// al. 2022). A block has either queries or keys to itself, so that nothing is summed by two.
namespace palimpsest {
namespace {

using device::Attention;
using device::HeadRows;
using device::Number;
using device::Tile;

template <typename T>
struct Operands {
  const T *q, *k, *v, *dy;
  const Number<T>*lse, *delta;  // [batch, heads, time]; delta is sum(dY Y).
};

// A row of y and dy, in the order of their memory, is a warp's.
template <typename T>
__global__ void DeltaKernel(Attention a, const T* y, const T* dy, Number<T>* delta) {
  using N = Number<T>;
  constexpr int kWarps = device::kThreads / device::kWarp;
  const int lane = static_cast<int>(threadIdx.x) % device::kWarp;
  const int64_t rows = a.batch * a.time * a.heads;
  for (int64_t row = int64_t{blockIdx.x} * kWarps + threadIdx.x / device::kWarp; row < rows;
       row += int64_t{gridDim.x} * kWarps) {
    N sum = N(0);
    for (int d = lane; d < a.value; d += device::kWarp)
      sum += static_cast<N>(device::Widen(y[row * a.value + d])) *
             device::Widen(dy[row * a.value + d]);
    sum = device::WarpReduce(sum, device::Plus{});
    const int64_t head = row % a.heads, t = row / a.heads % a.time, b = row / a.heads / a.time;
    if (lane == 0) delta[(b * a.heads + head) * a.time + t] = sum;
  }
}

// P and dS of a tile of queries and one of keys; queries are scaled.
template <typename N>
struct Pair {
  Tile<N> queries, dys, keys, values, p, ds;

  __device__ void Run(const Attention& a, int64_t t, int64_t s, const N* lse,
                      const N* delta) const {
    device::ForEachOf(a.tile, a.tile, [&](int i, int j) {
      const bool seen = t + i < a.time && s + j < a.source && a.Sees(t + i, s + j);
      N probability = N(0), slope = N(0);
      if (seen) {
        probability = exp(device::Dot(queries.Row(i), keys.Row(j), a.key) - lse[t + i]);
        slope = probability * (device::Dot(dys.Row(i), values.Row(j), a.value) - delta[t + i]);
      }
      p.at(i, j) = probability;
      ds.at(i, j) = slope;
    });
  }
};

template <typename N>
__device__ Pair<N> TakePair(N*& free, const Attention& a) {
  Pair<N> pair;
  pair.queries = device::TakeTile(free, a.tile, a.key);
  pair.dys = device::TakeTile(free, a.tile, a.value);
  pair.keys = device::TakeTile(free, a.tile, a.key);
  pair.values = device::TakeTile(free, a.tile, a.value);
  pair.p = device::TakeTile(free, a.tile, a.tile);
  pair.ds = device::TakeTile(free, a.tile, a.tile);
  return pair;
}

template <typename T>
__global__ void QueryGradientKernel(Attention a, Operands<T> x, T* dq) {
  using N = Number<T>;
  const int tile = a.tile;
  N* free = device::SharedMemory<N>();
  const Pair<N> pair = TakePair(free, a);
  const Tile<N> sums = device::TakeTile(free, tile, a.key);

  const int64_t tiles = (a.time + tile - 1) / tile;
  const int64_t t = static_cast<int64_t>(blockIdx.x) % tiles * tile;
  const int head = static_cast<int>(blockIdx.x / tiles % a.heads), kv_head = a.KvHead(head);
  const int64_t b = blockIdx.x / tiles / a.heads, row = (b * a.heads + head) * a.time;
  const N scale = static_cast<N>(a.scale);
  device::LoadTile(HeadRows<const T>(x.q, b, a.time, a.heads, head, a.key), t, a.time, tile, scale,
                   pair.queries);
  device::LoadTile(HeadRows<const T>(x.dy, b, a.time, a.heads, head, a.value), t, a.time, tile,
                   N(1), pair.dys);
  device::Clear(sums, tile);
  const HeadRows<const T> k_rows(x.k, b, a.source, a.kv_heads, kv_head, a.key);
  const HeadRows<const T> v_rows(x.v, b, a.source, a.kv_heads, kv_head, a.value);
  for (int64_t s = 0; s < a.source; s += tile) {
    if (!a.TileSees(t, s)) continue;
    __syncthreads();
    device::LoadTile(k_rows, s, a.source, tile, N(1), pair.keys);
    device::LoadTile(v_rows, s, a.source, tile, N(1), pair.values);
    __syncthreads();
    pair.Run(a, t, s, x.lse + row, x.delta + row);
    __syncthreads();
    device::ForEachOf(tile, a.key, [&](int i, int d) {
      N sum = sums.at(i, d);
      for (int j = 0; j < tile; ++j) sum += pair.ds.at(i, j) * pair.keys.at(j, d);
      sums.at(i, d) = sum;
    });
  }
  __syncthreads();
  device::StoreTile(sums, t, a.time, tile, scale, HeadRows<T>(dq, b, a.time, a.heads, head, a.key));
}

template <typename T>
__global__ void KeyGradientKernel(Attention a, Operands<T> x, T* dk, T* dv) {
  using N = Number<T>;
  const int tile = a.tile;
  N* free = device::SharedMemory<N>();
  const Pair<N> pair = TakePair(free, a);
  const Tile<N> k_sums = device::TakeTile(free, tile, a.key);
  const Tile<N> v_sums = device::TakeTile(free, tile, a.value);

  const int64_t tiles = (a.source + tile - 1) / tile;
  const int64_t s = static_cast<int64_t>(blockIdx.x) % tiles * tile;
  const int kv_head = static_cast<int>(blockIdx.x / tiles % a.kv_heads);
  const int64_t b = blockIdx.x / tiles / a.kv_heads;
  const int group = a.heads / a.kv_heads;
  device::LoadTile(HeadRows<const T>(x.k, b, a.source, a.kv_heads, kv_head, a.key), s, a.source,
                   tile, N(1), pair.keys);
  device::LoadTile(HeadRows<const T>(x.v, b, a.source, a.kv_heads, kv_head, a.value), s, a.source,
                   tile, N(1), pair.values);
  device::Clear(k_sums, tile);
  device::Clear(v_sums, tile);
  for (int head = kv_head * group; head < (kv_head + 1) * group; ++head) {
    const HeadRows<const T> q_rows(x.q, b, a.time, a.heads, head, a.key);
    const HeadRows<const T> dy_rows(x.dy, b, a.time, a.heads, head, a.value);
    const int64_t row = (b * a.heads + head) * a.time;
    for (int64_t t = 0; t < a.time; t += tile) {
      if (!a.TileSees(t, s)) continue;
      __syncthreads();
      device::LoadTile(q_rows, t, a.time, tile, static_cast<N>(a.scale), pair.queries);
      device::LoadTile(dy_rows, t, a.time, tile, N(1), pair.dys);
      __syncthreads();
      pair.Run(a, t, s, x.lse + row, x.delta + row);
      __syncthreads();
      device::ForEachOf(tile, a.key, [&](int j, int d) {
        N sum = k_sums.at(j, d);
        for (int i = 0; i < tile; ++i) sum += pair.ds.at(i, j) * pair.queries.at(i, d);
        k_sums.at(j, d) = sum;
      });
      device::ForEachOf(tile, a.value, [&](int j, int d) {
        N sum = v_sums.at(j, d);
        for (int i = 0; i < tile; ++i) sum += pair.p.at(i, j) * pair.dys.at(i, d);
        v_sums.at(j, d) = sum;
      });
    }
  }
  __syncthreads();
  device::StoreTile(k_sums, s, a.source, tile, N(1),
                    HeadRows<T>(dk, b, a.source, a.kv_heads, kv_head, a.key));
  device::StoreTile(v_sums, s, a.source, tile, N(1),
                    HeadRows<T>(dv, b, a.source, a.kv_heads, kv_head, a.value));
}

void CausalAttentionVjpCuda(const CausalAttentionVjpArgs& args) {
  if (CudnnTakes(args)) return CudnnAttentionVjp(args);
  const CausalAttentionArgs& f = args.forward;
  DispatchFloat(f.dtype, [&]<typename Host>() {
    using T = DeviceType<Host>;
    using N = Number<T>;
    const auto numbers = [&](int64_t tile) {
      return 3 * Tile<N>::Size(tile, f.key) + 3 * Tile<N>::Size(tile, f.value) +
             2 * Tile<N>::Size(tile, tile);
    };
    const Attention a = AttentionOf<N>(f, numbers);
    const size_t shared = numbers(a.tile) * sizeof(N);
    Scratch<N> delta(a.batch * a.heads * a.time);
    constexpr int kWarps = device::kThreads / device::kWarp;
    Launch(DeltaKernel<T>, BlocksFor(CeilDiv(a.batch * a.heads * a.time, kWarps)), device::kThreads,
           0, a, In<Host>(args.y), In<Host>(args.dy), delta.data());
    const Operands<T> x{In<Host>(f.q),
                        In<Host>(f.k),
                        In<Host>(f.v),
                        In<Host>(args.dy),
                        static_cast<const N*>(args.lse),
                        delta.data()};
    Launch(QueryGradientKernel<T>, Tiles(a.time, a) * a.batch * a.heads, device::kAttentionThreads,
           shared, a, x, Out<Host>(args.dq));
    Launch(KeyGradientKernel<T>, Tiles(a.source, a) * a.batch * a.kv_heads,
           device::kAttentionThreads, shared, a, x, Out<Host>(args.dk), Out<Host>(args.dv));
  });
}

PALIMPSEST_REGISTER_CUDA_KERNEL(causal_attention_vjp, CausalAttentionVjpCuda);

}  // namespace
}  // namespace palimpsest
