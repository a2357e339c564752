#ifndef KERNELS_CUDA_SIMULATOR_INCLUDE_CUDA_RUNTIME_H_
#define KERNELS_CUDA_SIMULATOR_INCLUDE_CUDA_RUNTIME_H_

// As much of CUDA's own cuda_runtime.h as this project uses, on the host: found in its place when a
// .cu file is compiled for the simulator.

#include <math.h>

#include <bit>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>

#include "core/check.h"
#include "kernels/cuda/simulator/grid.h"
#include "kernels/cuda/simulator/memory.h"
#include "kernels/cuda/simulator/stream.h"

#define PALIMPSEST_CUDA_FLAVOR simulated
#define PALIMPSEST_CUDA_DEVICE kSimulatedCuda

// The language.
#define __global__ static
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

using dim3 = palimpsest::simulator::Extent3;
inline constexpr int warpSize = 32;

inline void __syncthreads() { palimpsest::simulator::WaitForBlock(); }
inline void __syncwarp(unsigned = ~0u) { palimpsest::simulator::WaitForWarp(); }
inline void __threadfence() {}
inline void __threadfence_block() {}

// Lanes that exchange: all of a warp.
template <typename T>
T __shfl_sync(unsigned, T value, int lane, int = 32) {
  return palimpsest::simulator::WarpExchange(value)[lane & 31];
}
template <typename T>
T __shfl_xor_sync(unsigned, T value, int mask, int = 32) {
  return palimpsest::simulator::WarpExchange(value)[palimpsest::simulator::Lane() ^ mask];
}
template <typename T>
T __shfl_down_sync(unsigned, T value, unsigned by, int = 32) {
  const unsigned from = palimpsest::simulator::Lane() + by;
  const T* all = palimpsest::simulator::WarpExchange(value);
  return from < 32 ? all[from] : value;
}
template <typename T>
T __shfl_up_sync(unsigned, T value, unsigned by, int = 32) {
  const unsigned lane = palimpsest::simulator::Lane();
  const T* all = palimpsest::simulator::WarpExchange(value);
  return lane >= by ? all[lane - by] : value;
}
// Of the lanes there are, in a block whose threads are no multiple of 32.
inline unsigned __ballot_sync(unsigned, int predicate) {
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const unsigned first = thread / 32 * 32, count = blockDim.x * blockDim.y * blockDim.z;
  const int* all = palimpsest::simulator::WarpExchange(predicate);
  unsigned bits = 0;
  for (unsigned i = 0; i < 32 && first + i < count; ++i) bits |= (all[i] != 0 ? 1u : 0u) << i;
  return bits;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }

template <typename T>
T atomicAdd(T* at, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T>, "sums of floats would depend on the order");
  const T old = *at;
  *at = old + value;
  return old;
}
template <typename T>
T atomicMax(T* at, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T>);
  const T old = *at;
  if (value > old) *at = value;
  return old;
}
template <typename T>
T atomicMin(T* at, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T>);
  const T old = *at;
  if (value < old) *at = value;
  return old;
}
template <typename T>
T atomicOr(T* at, std::type_identity_t<T> value) {
  const T old = *at;
  *at = old | value;
  return old;
}
template <typename T>
T atomicExch(T* at, std::type_identity_t<T> value) {
  const T old = *at;
  *at = value;
  return old;
}

template <typename T>
T __ldg(const T* at) {
  return *at;
}
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
inline double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((uint64_t{a} * b) >> 32);
}
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline int __ffs(int x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1; }
inline float __double2float_rz(double x) {
  const float nearest = static_cast<float>(x);
  return fabs(static_cast<double>(nearest)) > fabs(x) ? nextafterf(nearest, 0.0f) : nearest;
}
// Not contracted, as on the device.
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __dadd_rn(double a, double b) { return a + b; }
inline float __fdividef(float a, float b) { return a / b; }
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
inline float normcdff(float x) { return 0.5f * erfcf(-x * 0.70710678118654752440f); }
inline double normcdf(double x) { return 0.5 * erfc(-x * 0.70710678118654752440); }

// The runtime. Everything is done when a call returns, but for what is recorded.
enum cudaError_t {
  cudaSuccess,
  cudaErrorInvalidValue,
  cudaErrorMemoryAllocation,
  cudaErrorNoDevice,
  cudaErrorInvalidConfiguration,
  cudaErrorStreamCaptureUnsupported
};
using cudaStream_t = palimpsest::simulator::Stream*;
struct cudaSimulatedMemPool {};
using cudaMemPool_t = cudaSimulatedMemPool*;
enum cudaMemPoolAttr { cudaMemPoolAttrReleaseThreshold };
enum cudaMemcpyKind {
  cudaMemcpyDefault,
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice
};
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };
inline constexpr unsigned cudaStreamNonBlocking = 1;

inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline const char* cudaGetErrorName(cudaError_t error) {
  return error == cudaErrorMemoryAllocation           ? "cudaErrorMemoryAllocation"
         : error == cudaErrorInvalidConfiguration     ? "cudaErrorInvalidConfiguration"
         : error == cudaErrorStreamCaptureUnsupported ? "cudaErrorStreamCaptureUnsupported"
                                                      : "cudaError";
}
inline const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorMemoryAllocation       ? "out of memory"
         : error == cudaErrorInvalidConfiguration ? "invalid configuration argument"
         : error == cudaErrorStreamCaptureUnsupported
             ? "operation not permitted when stream is capturing"
             : "error";
}
inline cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
inline cudaError_t cudaDriverGetVersion(int* version) { return *version = 13000, cudaSuccess; }
inline cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  return *stream = new palimpsest::simulator::Stream, cudaSuccess;
}
// What cannot be part of a graph.
inline cudaError_t cudaOutsideCapture(cudaStream_t stream) {
  return stream->recording ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t stream) { return cudaOutsideCapture(stream); }
struct cudaSimulatedEvent {
  std::chrono::steady_clock::time_point time;
  bool recorded = false;  // In a capture: nobody can wait for it.
};
using cudaEvent_t = cudaSimulatedEvent*;
inline cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return *event = new cudaSimulatedEvent, cudaSuccess;
}
inline constexpr unsigned cudaEventDisableTiming = 2;
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  return cudaEventCreate(event);
}
inline cudaError_t cudaEventDestroy(cudaEvent_t event) { return delete event, cudaSuccess; }
inline cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  event->time = std::chrono::steady_clock::now(), event->recorded = stream->recording;
  return cudaSuccess;
}
inline cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return event->recorded ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}
inline cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - begin->time).count();
  return cudaSuccess;
}
inline cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  static cudaSimulatedMemPool only;
  return *pool = &only, cudaSuccess;
}
inline cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) {
  return cudaSuccess;
}
inline cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) { return cudaSuccess; }
inline cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  return *free = *total = palimpsest::simulator::kDeviceBytes, cudaSuccess;
}
template <typename T>
cudaError_t cudaMalloc(T** data, size_t bytes) {
  *data = static_cast<T*>(palimpsest::simulator::AllocateMemory(bytes));
  return *data == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}
template <typename T>
cudaError_t cudaMallocAsync(T** data, size_t bytes, cudaStream_t stream) {
  const cudaError_t error = cudaOutsideCapture(stream);
  return error == cudaSuccess ? cudaMalloc(data, bytes) : error;
}
inline cudaError_t cudaFree(void* data) {
  if (data != nullptr) palimpsest::simulator::FreeMemory(data);
  return cudaSuccess;
}
inline cudaError_t cudaFreeAsync(void* data, cudaStream_t stream) {
  const cudaError_t error = cudaOutsideCapture(stream);
  return error == cudaSuccess ? cudaFree(data) : error;
}
template <typename T>
cudaError_t cudaMallocHost(T** data, size_t bytes) {
  *data = static_cast<T*>(std::aligned_alloc(256, (bytes + 255) / 256 * 256));
  return *data == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}
inline cudaError_t cudaFreeHost(void* data) { return std::free(data), cudaSuccess; }
inline cudaError_t cudaMemsetAsync(void* to, int byte, size_t bytes, cudaStream_t stream) {
  palimpsest::simulator::Do(stream, [=] {
    const palimpsest::simulator::OpenMemory open("cudaMemsetAsync");
    if (bytes > 0) std::memset(to, byte, bytes);
  });
  return cudaSuccess;
}
inline cudaError_t cudaMemset2DAsync(void* to, size_t pitch, int byte, size_t width, size_t height,
                                     cudaStream_t stream) {
  if (width > pitch) return cudaErrorInvalidValue;
  palimpsest::simulator::Do(stream, [=] {
    const palimpsest::simulator::OpenMemory open("cudaMemset2DAsync");
    for (size_t i = 0; i < height; ++i)
      std::memset(static_cast<char*>(to) + i * pitch, byte, width);
  });
  return cudaSuccess;
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind,
                                   cudaStream_t stream) {
  palimpsest::simulator::Do(stream, [=] {
    const palimpsest::simulator::OpenMemory open("cudaMemcpyAsync");
    if (bytes > 0) std::memmove(to, from, bytes);
  });
  return cudaSuccess;
}
inline cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                                     size_t width, size_t height, cudaMemcpyKind, cudaStream_t) {
  const palimpsest::simulator::OpenMemory open("cudaMemcpy2DAsync");
  if (width > to_pitch || width > from_pitch) return cudaErrorInvalidValue;
  for (size_t i = 0; i < height; ++i) {
    std::memmove(static_cast<char*>(to) + i * to_pitch,
                 static_cast<const char*>(from) + i * from_pitch, width);
  }
  return cudaSuccess;
}

// Graphs.
enum cudaStreamCaptureMode { cudaStreamCaptureModeRelaxed };
enum cudaStreamCaptureStatus { cudaStreamCaptureStatusNone, cudaStreamCaptureStatusActive };
using cudaGraph_t = std::vector<palimpsest::simulator::Work>*;
using cudaGraphExec_t = cudaGraph_t;
inline cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (stream->recording) return cudaErrorStreamCaptureUnsupported;
  return stream->recording = true, cudaSuccess;
}
inline cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (!stream->recording) return cudaErrorInvalidValue;
  stream->recording = false;
  *graph = new std::vector<palimpsest::simulator::Work>(std::exchange(stream->recorded, {}));
  return cudaSuccess;
}
inline cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  *status = stream->recording ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
inline cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned) {
  return *exec = new std::vector<palimpsest::simulator::Work>(*graph), cudaSuccess;
}
inline cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  for (const palimpsest::simulator::Work& work : *exec) palimpsest::simulator::Do(stream, work);
  return cudaSuccess;
}
inline cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return delete graph, cudaSuccess; }
inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) { return delete exec, cudaSuccess; }

// Kernels.
struct cudaLaunchAttribute {};
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
  cudaLaunchAttribute* attrs = nullptr;
  unsigned numAttrs = 0;
};
inline cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int bytes) {
  return bytes <= static_cast<int>(palimpsest::simulator::kMaxShared) ? cudaSuccess
                                                                      : cudaErrorInvalidValue;
}
inline cudaError_t cudaFuncGetName(const char** name, const void*) {
  return *name = "a simulated kernel", cudaSuccess;
}
template <typename T>
void CheckOnDevice(T argument) {
  if constexpr (std::is_pointer_v<T>) {
    PALIMPSEST_CHECK(argument == nullptr || palimpsest::simulator::IsDeviceMemory(argument))
        << "a kernel was given a pointer to the host's memory";
  }
}
template <typename... Params, typename... Args>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Params...),
                               Args&&... args) {
  using palimpsest::simulator::CanLaunch;
  if (!CanLaunch(config->gridDim, config->blockDim, config->dynamicSmemBytes))
    return cudaErrorInvalidConfiguration;
  const auto launch = [&](Params... params) {
    (CheckOnDevice(params), ...);
    palimpsest::simulator::Do(config->stream, [config = *config, kernel, params...] {
      palimpsest::simulator::RunGrid("a simulated kernel", config.gridDim, config.blockDim,
                                     config.dynamicSmemBytes, [&] { kernel(params...); });
    });
  };
  launch(static_cast<Params>(args)...);
  return cudaSuccess;
}

#endif  // KERNELS_CUDA_SIMULATOR_INCLUDE_CUDA_RUNTIME_H_
