#ifndef KERNELS_CUDA_CUDNN_H_
#define KERNELS_CUDA_CUDNN_H_

#include <cudnn_graph.h>

#include <cstdint>
#include <string>
#include <utility>

#include "core/check.h"
#include "kernels/cuda/runtime.h"

namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {

// The functions of cuDNN's backend API. The library is opened at the first use, as cuBLASLt is.
struct Cudnn {
  decltype(&cudnnCreate) Create;
  decltype(&cudnnGetErrorString) GetErrorString;
  decltype(&cudnnGetLastErrorString) GetLastErrorString;
  decltype(&cudnnGetVersion) GetVersion;
  decltype(&cudnnSetStream) SetStream;
  decltype(&cudnnBackendCreateDescriptor) BackendCreateDescriptor;
  decltype(&cudnnBackendDestroyDescriptor) BackendDestroyDescriptor;
  decltype(&cudnnBackendExecute) BackendExecute;
  decltype(&cudnnBackendFinalize) BackendFinalize;
  decltype(&cudnnBackendGetAttribute) BackendGetAttribute;
  decltype(&cudnnBackendSetAttribute) BackendSetAttribute;

  static bool Present();
  static const Cudnn& Get();      // Stops where there is none.
  static cudnnHandle_t Handle();  // Runs on CudaStream().
  // Whether the device is of the architecture that the graphs of this project are made for, Hopper,
  // and cuDNN of a version that computes them rightly; if it is older, stderr is told so once.
  static bool Serves();
};

// What a call came to, in cuDNN's words, and what it last complained of.
std::string CudnnError(cudnnStatus_t status);

// Stops with the call, its status, and the op in progress.
#define PALIMPSEST_CUDNN_CHECK(call)                                \
  do {                                                              \
    const cudnnStatus_t cudnn_status = (call);                      \
    PALIMPSEST_CHECK(cudnn_status == CUDNN_STATUS_SUCCESS)          \
        << #call << ": " << ::palimpsest::CudnnError(cudnn_status); \
  } while (false)

// A descriptor of the backend API: attributes are set, then it is finalized, then it is used.
class CudnnDescriptor {
 public:
  explicit CudnnDescriptor(cudnnBackendDescriptorType_t type);
  ~CudnnDescriptor();
  CudnnDescriptor(CudnnDescriptor&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, nullptr)) {}
  CudnnDescriptor& operator=(CudnnDescriptor&&) = delete;
  cudnnBackendDescriptor_t get() const { return descriptor_; }

  void SetAll(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
              const void* values);
  template <typename T>
  void Set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const T& value) {
    SetAll(name, type, 1, &value);
  }
  void Set(cudnnBackendAttributeName_t name, const CudnnDescriptor& value) {
    Set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, value.get());
  }
  void Finalize();
  cudnnStatus_t TryFinalize();  // Of what cuDNN may not support.

  // Up to `count` values, into descriptors of their own where they are descriptors; how many there
  // are.
  int64_t GetAll(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                 void* values) const;

 private:
  cudnnBackendDescriptor_t descriptor_ = nullptr;
};

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest

#endif  // KERNELS_CUDA_CUDNN_H_
