#ifndef KERNELS_DEVICE_SHARED_CUH_
#define KERNELS_DEVICE_SHARED_CUH_

#include <cuda_runtime.h>

#include <cstddef>

namespace palimpsest::device {

// Bytes of it that a block can ask for, on sm_90.
inline constexpr size_t kMaxShared = 232448;

// The block's dynamic shared memory, 128-byte aligned; its size is given at the launch.
template <typename T>
__device__ T* SharedMemory() {
#ifdef __CUDACC__
  extern __shared__ __align__(128) unsigned char bytes[];
  return reinterpret_cast<T*>(bytes);
#else
  return static_cast<T*>(simulator::SharedBytes());
#endif
}

}  // namespace palimpsest::device

#endif  // KERNELS_DEVICE_SHARED_CUH_
