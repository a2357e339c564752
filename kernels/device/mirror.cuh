#ifndef KERNELS_DEVICE_MIRROR_CUH_
#define KERNELS_DEVICE_MIRROR_CUH_

#include <cstdint>

#include "kernels/device/map.cuh"
#include "kernels/device/shared.cuh"

namespace palimpsest::device {

// Matrices [n, n], `count` of them: item i is at i / inner * strides[0] + i % inner * strides[1].
template <typename Word>
struct SquareMatrices {
  Word* data;
  int64_t n, ld, count, inner, strides[2];

  __host__ __device__ int64_t tiles() const { return (n + kTile - 1) / kTile; }
  __device__ Word* At(int64_t i) const {
    return data + i / inner * strides[0] + i % inner * strides[1];
  }
  static constexpr int kTile = 32;
};

// Above the diagonal what is below it, a tile after another.
template <typename Word>
__global__ void MirrorKernel(SquareMatrices<Word> all) {
  constexpr int kTile = SquareMatrices<Word>::kTile, kStride = kTile + 1;
  Word* tile = SharedMemory<Word>();
  const int lane = static_cast<int>(threadIdx.x) % kTile,
            begin = static_cast<int>(threadIdx.x) / kTile;
  const int64_t tiles = all.tiles();
  for (int64_t unit = blockIdx.x; unit < all.count * tiles * tiles; unit += gridDim.x) {
    const int64_t row = unit / tiles % tiles * kTile, column = unit % tiles * kTile;
    if (column > row) continue;
    Word* const c = all.At(unit / tiles / tiles);
    for (int j = begin; j < kTile; j += kThreads / kTile) {
      if (row + j < all.n && column + lane < all.n)
        tile[j * kStride + lane] = c[(row + j) * all.ld + column + lane];
    }
    __syncthreads();
    for (int j = begin; j < kTile; j += kThreads / kTile) {
      if (column + j < row + lane && row + lane < all.n)
        c[(column + j) * all.ld + row + lane] = tile[lane * kStride + j];
    }
    __syncthreads();
  }
}

}  // namespace palimpsest::device

#endif  // KERNELS_DEVICE_MIRROR_CUH_
