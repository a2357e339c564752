#include "kernels/causal_attention.h"
#include "kernels/causal_attention_launch.h"
#include "kernels/cuda/cudnn_attention.h"
#include "kernels/device/reduce.cuh"

namespace palimpsest {
namespace {

using device::Attention;
using device::Number;
using device::Tile;

template <typename N>
struct Lowest;
template <>
struct Lowest<float> {
  static constexpr float kValue = -3.402823466e38f;
};
template <>
struct Lowest<double> {
  static constexpr double kValue = -1.7976931348623157e308;
};

// What the rows of a tile of queries have seen so far (Milakov & Gimelshein 2018).
template <typename N>
struct Running {
  N *max, *sum, *keep;  // keep: what earlier sums shrink by.
};

// Logits to exponentials: a row is a warp's, a key a lane's.
template <typename N>
__device__ void SoftmaxStep(Tile<N> logits, const Running<N>& running, int tile) {
  const int lane = static_cast<int>(threadIdx.x) % device::kWarp;
  for (int i = static_cast<int>(threadIdx.x) / device::kWarp; i < tile;
       i += device::kAttentionThreads / device::kWarp) {
    const bool in = lane < tile;
    const N x = in ? logits.at(i, lane) : N(-INFINITY), old = running.max[i];
    const N max = device::Max(old, device::WarpReduce(x, device::Largest{}));
    const N p = exp(x - max), keep = exp(old - max);
    const N sum = running.sum[i] * keep + device::WarpReduce(p, device::Plus{});
    __syncwarp();
    if (in) logits.at(i, lane) = p;
    if (lane == 0) running.max[i] = max, running.sum[i] = sum, running.keep[i] = keep;
  }
}

template <typename T>
__global__ void CausalAttentionKernel(Attention a, const T* q, const T* k, const T* v, T* y,
                                      Number<T>* lse) {
  using N = Number<T>;
  const int tile = a.tile;
  N* free = device::SharedMemory<N>();
  const Tile<N> queries = device::TakeTile(free, tile, a.key);
  const Tile<N> keys = device::TakeTile(free, tile, a.key);
  const Tile<N> values = device::TakeTile(free, tile, a.value);
  const Tile<N> sums = device::TakeTile(free, tile, a.value);
  const Tile<N> logits = device::TakeTile(free, tile, tile);
  const Running<N> running{free, free + tile, free + 2 * tile};

  const int64_t tiles = (a.time + tile - 1) / tile;
  const int64_t first = static_cast<int64_t>(blockIdx.x) % tiles * tile;
  const int head = static_cast<int>(blockIdx.x / tiles % a.heads);
  const int64_t b = blockIdx.x / tiles / a.heads;
  const device::HeadRows<const T> k_rows(k, b, a.source, a.kv_heads, a.KvHead(head), a.key);
  const device::HeadRows<const T> v_rows(v, b, a.source, a.kv_heads, a.KvHead(head), a.value);
  device::LoadTile(device::HeadRows<const T>(q, b, a.time, a.heads, head, a.key), first, a.time,
                   tile, static_cast<N>(a.scale), queries);
  device::Clear(sums, tile);
  for (int i = static_cast<int>(threadIdx.x); i < tile; i += device::kAttentionThreads)
    running.max[i] = Lowest<N>::kValue, running.sum[i] = N(0);

  for (int64_t s = 0; s < a.source; s += tile) {
    if (!a.TileSees(first, s)) continue;
    __syncthreads();
    device::LoadTile(k_rows, s, a.source, tile, N(1), keys);
    device::LoadTile(v_rows, s, a.source, tile, N(1), values);
    __syncthreads();
    device::ForEachOf(tile, tile, [&](int i, int j) {
      const bool seen = s + j < a.source && a.Sees(first + i, s + j);
      logits.at(i, j) = seen ? device::Dot(queries.Row(i), keys.Row(j), a.key) : N(-INFINITY);
    });
    __syncthreads();
    SoftmaxStep(logits, running, tile);
    __syncthreads();
    device::ForEachOf(tile, a.value, [&](int i, int d) {
      N sum = running.keep[i] * sums.at(i, d);
      for (int j = 0; j < tile; ++j) sum += logits.at(i, j) * values.at(j, d);
      sums.at(i, d) = sum;
    });
  }
  __syncthreads();
  const device::HeadRows<T> y_rows(y, b, a.time, a.heads, head, a.value);
  device::ForEachOf(tile, a.value, [&](int i, int d) {
    if (first + i < a.time)
      y_rows.data[(first + i) * y_rows.stride + d] =
          device::Narrow<T>(sums.at(i, d) / running.sum[i]);
  });
  for (int i = static_cast<int>(threadIdx.x); i < tile; i += device::kAttentionThreads)
    if (first + i < a.time)
      lse[(b * a.heads + head) * a.time + first + i] = running.max[i] + log(running.sum[i]);
}

void CausalAttentionCuda(const CausalAttentionArgs& args) {
  if (CudnnTakes(args)) return CudnnAttention(args);
  DispatchFloat(args.dtype, [&]<typename Host>() {
    using T = DeviceType<Host>;
    using N = Number<T>;
    const auto numbers = [&](int64_t tile) {
      return 2 * Tile<N>::Size(tile, args.key) + 2 * Tile<N>::Size(tile, args.value) +
             Tile<N>::Size(tile, tile) + 3 * tile;
    };
    const Attention a = AttentionOf<N>(args, numbers);
    Launch(CausalAttentionKernel<T>, Tiles(args.time, a) * a.batch * a.heads,
           device::kAttentionThreads, numbers(a.tile) * sizeof(N), a, In<Host>(args.q),
           In<Host>(args.k), In<Host>(args.v), Out<Host>(args.y), static_cast<N*>(args.lse));
  });
}

PALIMPSEST_REGISTER_CUDA_KERNEL(causal_attention, CausalAttentionCuda);

}  // namespace
}  // namespace palimpsest
