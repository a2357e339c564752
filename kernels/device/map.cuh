#ifndef KERNELS_DEVICE_MAP_CUH_
#define KERNELS_DEVICE_MAP_CUH_

#include <cstdint>

#include "kernels/device/bf16.cuh"

namespace palimpsest::device {

inline constexpr int kThreads = 256;
inline constexpr int kMaxRank = 8;

// Blocks of a grid that strides over its work: enough to fill any device a few times. The simulator
// takes so few that everything strides.
#ifdef __CUDACC__
constexpr int64_t kMaxBlocks = 4096;
#else
constexpr int64_t kMaxBlocks = 2;
#endif

// For a thread a unit.
static inline unsigned Blocks(int64_t units) {
  const int64_t blocks = (units + kThreads - 1) / kThreads;
  return static_cast<unsigned>(blocks < kMaxBlocks ? blocks : kMaxBlocks);
}

// 16 bytes, moved at once.
template <typename T>
struct alignas(16) Pack {
  static constexpr int kSize = 16 / sizeof(T);
  T at[kSize];
};

// The first index of this thread in a loop over units, and its stride.
__device__ inline int64_t FirstUnit() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline int64_t UnitStride() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }

// y_i = f(x_i). `packs`: x and y are aligned to 16 bytes.
template <typename From, typename To, typename F>
__device__ void Map(const From* x, To* y, int64_t n, bool packs, F f) {
  int64_t done = 0;
  if constexpr (sizeof(From) == sizeof(To)) {
    if (packs) {
      constexpr int kSize = Pack<From>::kSize;
      const int64_t full = n / kSize;
      for (int64_t i = FirstUnit(); i < full; i += UnitStride()) {
        const Pack<From> in = reinterpret_cast<const Pack<From>*>(x)[i];
        Pack<To> out;
#pragma unroll
        for (int j = 0; j < kSize; ++j) out.at[j] = f(in.at[j]);
        reinterpret_cast<Pack<To>*>(y)[i] = out;
      }
      done = full * kSize;
    }
  }
  for (int64_t i = done + FirstUnit(); i < n; i += UnitStride()) y[i] = f(x[i]);
}

// A broadcast: where each operand's element for output i is.
template <int kOperands>
struct Broadcast {
  int rank;
  int64_t shape[kMaxRank];
  int64_t strides[kOperands][kMaxRank];

  template <typename Index>
  __device__ void Offsets(Index i, int64_t (&offset)[kOperands]) const {
#pragma unroll
    for (int k = 0; k < kOperands; ++k) offset[k] = 0;
    for (int axis = rank - 1; axis >= 0; --axis) {
      const Index extent = static_cast<Index>(shape[axis]), next = i / extent;
      const int64_t at = i - next * extent;
#pragma unroll
      for (int k = 0; k < kOperands; ++k) offset[k] += at * strides[k][axis];
      i = next;
    }
  }
};

}  // namespace palimpsest::device

#endif  // KERNELS_DEVICE_MAP_CUH_
