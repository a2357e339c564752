#ifndef KERNELS_DEVICE_ATTENTION_CUH_
#define KERNELS_DEVICE_ATTENTION_CUH_

#include <cstdint>

#include "kernels/device/bf16.cuh"

// What causal_attention.cu and its gradient are made of: tiles of queries and of keys in shared
// memory.
namespace palimpsest::device {

inline constexpr int kAttentionThreads = 256;
inline constexpr int kMaxAttentionTile = 32;  // A row of logits is a warp's.

struct Attention {
  int64_t batch, time, source;
  int heads, kv_heads, key, value;
  double scale;
  int64_t window, prefix;
  int tile;  // Queries, and keys.

  // Of query t, which is the last key it sees but for the prefix.
  __device__ int64_t Position(int64_t t) const { return source - time + t; }
  __device__ bool Sees(int64_t t, int64_t s) const {
    const int64_t position = Position(t);
    return (s <= position && (window == 0 || s > position - window)) || s < prefix;
  }
  // Whether a query of [t, t + tile) sees a key of [s, s + tile): no, only if none does.
  __device__ bool TileSees(int64_t t, int64_t s) const {
    const int64_t first = Position(t), last = Position(t + tile - 1);
    return (s <= last && (window == 0 || s + tile - 1 > first - window)) || s < prefix;
  }
  __device__ int KvHead(int head) const { return head / (heads / kv_heads); }
};

// Rows of one head: row r of batch b is data + r * stride.
template <typename T>
struct HeadRows {
  T* data;
  int64_t stride;
  __device__ HeadRows(T* x, int64_t b, int64_t rows, int heads, int head, int dim)
      : data(x + (b * rows * heads + head) * dim), stride(int64_t{heads} * dim) {}
};

// A tile in shared memory, a row after another, with one place between that keeps the rows' first
// elements in different banks.
template <typename N>
struct Tile {
  N* data;
  int dim;
  __device__ N* Row(int i) const { return data + i * (dim + 1); }
  __device__ N& at(int i, int d) const { return Row(i)[d]; }
  __host__ __device__ static int64_t Size(int64_t rows, int64_t dim) { return rows * (dim + 1); }
};

// Takes the next tile from what is left of shared memory.
template <typename N>
__device__ Tile<N> TakeTile(N*& free, int rows, int dim) {
  const Tile<N> tile{free, dim};
  free += Tile<N>::Size(rows, dim);
  return tile;
}

// Calls f(i, d) for each element of `rows` x `dim`, a thread each.
template <typename F>
__device__ void ForEachOf(int rows, int dim, F f) {
  for (int at = static_cast<int>(threadIdx.x); at < rows * dim; at += kAttentionThreads)
    f(at / dim, at % dim);
}

// Rows [first, first + rows) times `scale`; 0 from `end` on.
template <typename T, typename N>
__device__ void LoadTile(const HeadRows<const T>& from, int64_t first, int64_t end, int rows,
                         N scale, Tile<N> to) {
  ForEachOf(rows, to.dim, [&](int i, int d) {
    const int64_t row = first + i;
    to.at(i, d) =
        row < end ? scale * static_cast<N>(Widen(from.data[row * from.stride + d])) : N(0);
  });
}

template <typename T, typename N>
__device__ void StoreTile(Tile<N> from, int64_t first, int64_t end, int rows, N scale,
                          const HeadRows<T>& to) {
  ForEachOf(rows, from.dim, [&](int i, int d) {
    const int64_t row = first + i;
    if (row < end) to.data[row * to.stride + d] = Narrow<T>(scale * from.at(i, d));
  });
}

template <typename N>
__device__ void Clear(Tile<N> x, int rows) {
  ForEachOf(rows, x.dim, [&](int i, int d) { x.at(i, d) = N(0); });
}

// sum_d a_d b_d, in order.
template <typename N>
__device__ N Dot(const N* a, const N* b, int n) {
  N sum = N(0);
  for (int d = 0; d < n; ++d) sum += a[d] * b[d];
  return sum;
}

}  // namespace palimpsest::device

#endif  // KERNELS_DEVICE_ATTENTION_CUH_
