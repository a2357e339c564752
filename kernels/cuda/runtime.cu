#include <algorithm>
#include <cstdint>
#include <string>

#include "core/allocator.h"
#include "core/tensor.h"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/staging.h"

namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {

namespace {

__global__ void Probe() {}

// An architecture as __CUDA_ARCH_LIST__ and CUDA's compute capability have it: 900 is 9.0.
std::string Capability(int arch) {
  return std::to_string(arch / 100) + "." + std::to_string(arch % 100 / 10);
}

// Why the device cannot run what is compiled here; empty where it can.
std::string WhyUnfit() {
  cudaFuncAttributes attributes;
  const cudaError_t error = cudaFuncGetAttributes(&attributes, Probe);
  if (error == cudaSuccess) return "";
  (void)cudaGetLastError();
  if (error != cudaErrorNoKernelImageForDevice && error != cudaErrorInvalidDeviceFunction)
    return std::string("the GPU cannot be used: ") + cudaGetErrorString(error);
  cudaDeviceProp gpu = {};
  PALIMPSEST_CUDA_CHECK(cudaGetDeviceProperties(&gpu, 0));
  std::string compiled;
  for (int arch : {__CUDA_ARCH_LIST__})
    compiled += (compiled.empty() ? "" : ", ") + Capability(arch);
  const int arch = 100 * gpu.major + 10 * gpu.minor;
  return std::string("the GPU, ") + gpu.name + ", has compute capability " + Capability(arch) +
         "; this program is compiled for " + compiled + " (" + cudaGetErrorString(error) +
         "): build it with CUDA_ARCHS=" + std::to_string(arch / 10);
}

// Why no device can be used; empty where one can. Asked once.
const std::string& WhyNone() {
  static const auto* why = new std::string([]() -> std::string {
    int count = 0, driver = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    (void)cudaGetLastError();
    if (error == cudaSuccess && count > 0) return WhyUnfit();
    const bool installed = cudaDriverGetVersion(&driver) == cudaSuccess && driver > 0;
    if (!installed) return "no NVIDIA driver is installed";
    if (error == cudaSuccess || error == cudaErrorNoDevice) return "the driver finds no GPU";
    return std::string("the driver cannot be used: ") + cudaGetErrorString(error);
  }());
  return *why;
}

cudaStream_t NewStream() {
  cudaStream_t made;
  PALIMPSEST_CUDA_CHECK(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking));
  return made;
}

}  // namespace

bool CudaPresent() { return WhyNone().empty(); }

cudaStream_t CudaStream() {
  static const cudaStream_t stream = NewStream();
  return stream;
}

int CudaMaxShared() {
  static const int bytes = [] {
    int device = 0, most = 0;
    PALIMPSEST_CUDA_CHECK(cudaGetDevice(&device));
    PALIMPSEST_CUDA_CHECK(
        cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
    return most;
  }();
  return bytes;
}

bool IsRecording() {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  PALIMPSEST_CUDA_CHECK(cudaStreamIsCapturing(CudaStream(), &status));
  return status != cudaStreamCaptureStatusNone;
}

}  // namespace PALIMPSEST_CUDA_FLAVOR

namespace {

constexpr Device kDevice = Device::PALIMPSEST_CUDA_DEVICE;

cudaMemPool_t DriversPool() {
  int device = 0;
  cudaMemPool_t pool;
  PALIMPSEST_CUDA_CHECK(cudaGetDevice(&device));
  PALIMPSEST_CUDA_CHECK(cudaDeviceGetDefaultMemPool(&pool, device));
  return pool;
}

// So that to allocate is not to wait for the device.
void KeepFreedMemory() {
  uint64_t all = UINT64_MAX;
  PALIMPSEST_CUDA_CHECK(
      cudaMemPoolSetAttribute(DriversPool(), cudaMemPoolAttrReleaseThreshold, &all));
}

// To the device, all that is free by the time this returns.
void ReleaseFreedMemory() {
  if (!IsRecording()) PALIMPSEST_CUDA_CHECK(cudaStreamSynchronize(CudaStream()));
  PALIMPSEST_CUDA_CHECK(cudaMemPoolTrimTo(DriversPool(), 0));
}

// What is free, but for what libraries load when they are first asked: a 64th, at most 1 GiB.
int64_t Limit() {
  if (!CudaPresent()) return 0;
  KeepFreedMemory();
  size_t free = 0, total = 0;
  PALIMPSEST_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return static_cast<int64_t>(free - std::min({free, total / 64, size_t{1} << 30}));
}

// Memory is not part of what a graph records: it is had from another stream meanwhile.
template <typename F>
cudaError_t OnMemoryStream(F f) {
  if (!IsRecording()) return f(CudaStream());
  static const cudaStream_t aside = NewStream();
  const cudaError_t error = f(aside);
  return error == cudaSuccess ? cudaStreamSynchronize(aside) : error;
}

// What was freed may still be in use, or in pieces of other sizes: then once more without it.
void* Allocate(int64_t bytes) {
  for (const bool again : {false, true}) {
    if (again) ReleaseFreedMemory();
    void* data = nullptr;
    const cudaError_t error =
        OnMemoryStream([&](cudaStream_t stream) { return cudaMallocAsync(&data, bytes, stream); });
    if (error != cudaErrorMemoryAllocation) {
      PALIMPSEST_CUDA_CHECK(error);
      return data;
    }
    (void)cudaGetLastError();
  }
  return nullptr;
}

void Free(void* data) {
  PALIMPSEST_CUDA_CHECK(
      OnMemoryStream([&](cudaStream_t stream) { return cudaFreeAsync(data, stream); }));
}

void Fill(void* data, int byte, int64_t bytes) {
  PALIMPSEST_CUDA_CHECK(cudaMemsetAsync(data, byte, bytes, CudaStream()));
}

// The host may reuse or read its side when this returns; only to read it does it wait.
void Copy(void* to, Device to_device, const void* from, Device from_device, int64_t bytes) {
  if (from_device == Device::kCpu) return CopyToDevice(to, from, bytes);
  PALIMPSEST_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, CudaStream()));
  if (to_device == Device::kCpu) PALIMPSEST_CUDA_CHECK(cudaStreamSynchronize(CudaStream()));
}

[[maybe_unused]] const bool registered =
    Allocator::SetBackend(
        kDevice, {Allocate, Free, Fill, Limit, [] { return WhyNone(); }, ReleaseFreedMemory}) &&
    SetDeviceCopy(kDevice, Copy);

}  // namespace
}  // namespace palimpsest
