#include <cstdint>
#include <cstdio>

#include "core/allocator.h"
#include "core/tensor.h"
#include "kernels/cuda/runtime.h"

namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {

bool CudaPresent() {
  static const bool present = [] {
    int count = 0, driver = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error == cudaSuccess) return count > 0;
    const bool installed = cudaDriverGetVersion(&driver) == cudaSuccess && driver > 0;
    (void)cudaGetLastError();  // No device is no error, but a driver that cannot be used is one.
    if (installed && error != cudaErrorNoDevice)
      std::fprintf(stderr, "CUDA cannot be used: %s\n", cudaGetErrorString(error));
    return false;
  }();
  return present;
}

cudaStream_t CudaStream() {
  static const cudaStream_t stream = [] {
    cudaStream_t made;
    PALIMPSEST_CUDA_CHECK(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking));
    return made;
  }();
  return stream;
}

}  // namespace PALIMPSEST_CUDA_FLAVOR

namespace {

constexpr Device kDevice = Device::PALIMPSEST_CUDA_DEVICE;

// Keeps what is freed in the driver's pool, so that to allocate is not to wait for the device.
void KeepFreedMemory() {
  int device = 0;
  cudaMemPool_t pool;
  uint64_t all = UINT64_MAX;
  PALIMPSEST_CUDA_CHECK(cudaGetDevice(&device));
  PALIMPSEST_CUDA_CHECK(cudaDeviceGetDefaultMemPool(&pool, device));
  PALIMPSEST_CUDA_CHECK(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &all));
}

int64_t Limit() {
  if (!CudaPresent()) return 0;
  KeepFreedMemory();
  size_t free = 0, total = 0;
  PALIMPSEST_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return static_cast<int64_t>(free);
}

void* Allocate(int64_t bytes) {
  void* data = nullptr;
  const cudaError_t error = cudaMallocAsync(&data, bytes, CudaStream());
  if (error == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    return nullptr;
  }
  PALIMPSEST_CUDA_CHECK(error);
  return data;
}

void Free(void* data) { PALIMPSEST_CUDA_CHECK(cudaFreeAsync(data, CudaStream())); }

void Fill(void* data, int byte, int64_t bytes) {
  PALIMPSEST_CUDA_CHECK(cudaMemsetAsync(data, byte, bytes, CudaStream()));
}

// The host may reuse or read its side when this returns.
void Copy(void* to, Device to_device, const void* from, Device from_device, int64_t bytes) {
  PALIMPSEST_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, CudaStream()));
  const bool host = to_device == Device::kCpu || from_device == Device::kCpu;
  if (host) PALIMPSEST_CUDA_CHECK(cudaStreamSynchronize(CudaStream()));
}

[[maybe_unused]] const bool registered =
    Allocator::SetBackend(kDevice, {Allocate, Free, Fill, Limit}) && SetDeviceCopy(kDevice, Copy);

}  // namespace
}  // namespace palimpsest
