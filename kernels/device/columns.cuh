#ifndef KERNELS_DEVICE_COLUMNS_CUH_
#define KERNELS_DEVICE_COLUMNS_CUH_

#include <cstdint>

#include "kernels/device/map.cuh"
#include "kernels/device/row.cuh"

// Reductions down columns: a block has `tile` threads side by side, a power of two, and the rest of
// them one below the other.
namespace palimpsest::device {

inline constexpr int kMaxTile = 32;

// Threads side by side for rows of so many units.
inline int TileFor(int64_t units) {
  int tile = 1;
  while (tile < kMaxTile && tile < units) tile *= 2;
  return tile;
}

// Shared memory that ReduceDown asks for.
template <typename N, int kPack>
constexpr size_t DownBytes() {
  return sizeof(Run<N, kPack>) * kThreads;
}

// op over the values of the threads below each other, for the uppermost, of kThreads threads.
template <typename N, int kPack, typename Op>
__device__ Run<N, kPack> ReduceDown(Run<N, kPack> v, int tile, Op op) {
  auto* shared = SharedMemory<Run<N, kPack>>();
  const int thread = static_cast<int>(threadIdx.x);
  shared[thread] = v;
  __syncthreads();
  for (int half = kThreads / 2; half >= tile; half /= 2) {
    if (thread < half) {
      const Run<N, kPack> below = shared[thread + half];
#pragma unroll
      for (int j = 0; j < kPack; ++j) v.at[j] = op(v.at[j], below.at[j]);
      shared[thread] = v;
    }
    __syncthreads();
  }
  return v;
}

// y_c = sum_r x[r stride + c], for `columns` columns, by kThreads threads a block.
template <typename N, typename T>
__global__ void SumRowsKernel(const N* x, int64_t rows, int64_t stride, int64_t columns, int tile,
                              T* y) {
  const int across = static_cast<int>(threadIdx.x) % tile,
            down = static_cast<int>(threadIdx.x) / tile;
  for (int64_t first = blockIdx.x * static_cast<int64_t>(tile); first < columns;
       first += gridDim.x * static_cast<int64_t>(tile)) {
    const int64_t column = first + across;
    Run<N, 1> sum = {};
    for (int64_t r = down; column < columns && r < rows; r += kThreads / tile)
      sum.at[0] += x[r * stride + column];
    sum = ReduceDown(sum, tile, Plus());
    if (down == 0 && column < columns) y[column] = Narrow<T>(sum.at[0]);
  }
}

}  // namespace palimpsest::device

#endif  // KERNELS_DEVICE_COLUMNS_CUH_
