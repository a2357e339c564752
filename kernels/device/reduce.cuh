#ifndef KERNELS_DEVICE_REDUCE_CUH_
#define KERNELS_DEVICE_REDUCE_CUH_

#include <cstddef>

#include "kernels/device/math.cuh"

// Reductions over the threads of a warp and of a block, in an order that the block's size alone
// gives: the same bits each time.
namespace palimpsest::device {

inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xffffffffu;
// Shared memory that BlockReduce asks for at most.
inline constexpr size_t kReduceBytes = 512;

struct Plus {
  template <typename N>
  __device__ N operator()(N a, N b) const {
    return a + b;
  }
};
struct Largest {
  template <typename N>
  __device__ N operator()(N a, N b) const {
    return Max(a, b);
  }
};

// The value of the lane whose number differs in the bits of `mask`; overloaded for structs.
template <typename N>
__device__ N FromLane(N v, int mask) {
  return __shfl_xor_sync(kAllLanes, v, mask);
}

// op over a warp's values, for each of its lanes; op(a, b) = op(b, a).
template <typename N, typename Op>
__device__ N WarpReduce(N v, Op op) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) v = op(v, FromLane(v, mask));
  return v;
}

// op over a block's values, for each of its threads, of which there are whole warps along x.
// `partial`: shared memory for kWarp values, free again on return.
template <typename N, typename Op>
__device__ N BlockReduce(N v, N identity, Op op, N* partial) {
  const unsigned warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  v = WarpReduce(v, op);
  if (lane == 0) partial[warp] = v;
  __syncthreads();
  v = WarpReduce(lane < blockDim.x / kWarp ? partial[lane] : identity, op);
  __syncthreads();
  return v;
}

}  // namespace palimpsest::device

#endif  // KERNELS_DEVICE_REDUCE_CUH_
