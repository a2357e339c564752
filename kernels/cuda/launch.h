#ifndef KERNELS_CUDA_LAUNCH_H_
#define KERNELS_CUDA_LAUNCH_H_

#include <cstddef>
#include <utility>

#include "core/kernel.h"
#include "kernels/cuda/runtime.h"

namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {

// kernel<<<blocks, threads, shared_bytes>>>(args...) on the stream; nothing where there are no
// blocks. Stops with the kernel's name and its grid where it cannot be launched.
template <typename... Params, typename... Args>
void Launch(void (*kernel)(Params...), dim3 blocks, dim3 threads, size_t shared_bytes,
            Args&&... args) {
  if (blocks.x == 0 || blocks.y == 0 || blocks.z == 0) return;
  constexpr size_t kGranted = size_t{48} << 10;  // More a kernel must ask for.
  cudaError_t error = cudaSuccess;
  // A limit, of the function and not of the launch: the same for all, so that none lowers
  // another's.
  if (shared_bytes > kGranted)
    error = cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                 cudaFuncAttributeMaxDynamicSharedMemorySize, CudaMaxShared());
  if (error == cudaSuccess) {
    cudaLaunchConfig_t config = {};
    config.gridDim = blocks;
    config.blockDim = threads;
    config.dynamicSmemBytes = shared_bytes;
    config.stream = CudaStream();
    error = cudaLaunchKernelEx(&config, kernel, std::forward<Args>(args)...);
  }
  if (error == cudaSuccess) return;
  const char* name = nullptr;
  (void)cudaFuncGetName(&name, reinterpret_cast<const void*>(kernel));
  PALIMPSEST_CHECK(false) << "launch of " << (name != nullptr ? name : "a kernel") << " with grid ["
                          << blocks.x << "," << blocks.y << "," << blocks.z << "], block ["
                          << threads.x << "," << threads.y << "," << threads.z << "], "
                          << shared_bytes << " bytes of shared memory: " << cudaGetErrorName(error)
                          << ", " << cudaGetErrorString(error);
}

}  // namespace PALIMPSEST_CUDA_FLAVOR

// Fills the slot for the device that this file is compiled for.
#define PALIMPSEST_REGISTER_CUDA_KERNEL(kernel, fn) \
  PALIMPSEST_REGISTER_CUDA_KERNEL_(kernel, PALIMPSEST_CUDA_DEVICE, fn)
#define PALIMPSEST_REGISTER_CUDA_KERNEL_(kernel, device, fn) \
  PALIMPSEST_REGISTER_KERNEL(kernel, device, fn)

}  // namespace palimpsest

#endif  // KERNELS_CUDA_LAUNCH_H_
