#ifndef KERNELS_CUDA_SIMULATOR_RUNTIME_H_
#define KERNELS_CUDA_SIMULATOR_RUNTIME_H_

// The runtime. Everything is done when a call returns, but for what is recorded.

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/check.h"
#include "kernels/cuda/simulator/grid.h"
#include "kernels/cuda/simulator/memory.h"
#include "kernels/cuda/simulator/stream.h"

namespace palimpsest::simulator {

// For tests: whether the program was compiled for other GPUs than the one there is.
inline bool& OtherArchitecture() {
  static bool other = false;
  return other;
}

}  // namespace palimpsest::simulator

enum cudaError_t {
  cudaSuccess,
  cudaErrorInvalidValue,
  cudaErrorMemoryAllocation,
  cudaErrorNoDevice,
  cudaErrorNoKernelImageForDevice,
  cudaErrorInvalidDeviceFunction,
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
         : error == cudaErrorNoKernelImageForDevice
             ? "no kernel image is available for execution on the device"
         : error == cudaErrorStreamCaptureUnsupported
             ? "operation not permitted when stream is capturing"
             : "error";
}
inline cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
struct cudaDeviceProp {
  char name[256];
  int major, minor;
};
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* gpu, int) {
  const bool other = palimpsest::simulator::OtherArchitecture();
  return *gpu = {.name = "simulated", .major = other ? 8 : 9, .minor = other ? 6 : 0}, cudaSuccess;
}
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
                                     size_t width, size_t height, cudaMemcpyKind,
                                     cudaStream_t stream) {
  if (width > to_pitch || width > from_pitch) return cudaErrorInvalidValue;
  palimpsest::simulator::Do(stream, [=] {
    const palimpsest::simulator::OpenMemory open("cudaMemcpy2DAsync");
    for (size_t i = 0; i < height; ++i) {
      std::memmove(static_cast<char*>(to) + i * to_pitch,
                   static_cast<const char*>(from) + i * from_pitch, width);
    }
  });
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
inline cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute, int bytes) {
  if (bytes > static_cast<int>(palimpsest::simulator::kMaxShared)) return cudaErrorInvalidValue;
  palimpsest::simulator::AllowShared(kernel, bytes);
  return cudaSuccess;
}
enum cudaDeviceAttr { cudaDevAttrMaxSharedMemoryPerBlockOptin };
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  return *value = static_cast<int>(palimpsest::simulator::kMaxShared), cudaSuccess;
}
struct cudaFuncAttributes {};
inline cudaError_t cudaFuncGetAttributes(cudaFuncAttributes*, void (*)()) {
  return palimpsest::simulator::OtherArchitecture() ? cudaErrorNoKernelImageForDevice : cudaSuccess;
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
  if (!CanLaunch(reinterpret_cast<const void*>(kernel), config->gridDim, config->blockDim,
                 config->dynamicSmemBytes))
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

#endif  // KERNELS_CUDA_SIMULATOR_RUNTIME_H_
