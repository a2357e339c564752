#ifndef KERNELS_CUDA_SIMULATOR_CUDNN_EXECUTION_H_
#define KERNELS_CUDA_SIMULATOR_CUDNN_EXECUTION_H_

#include <cudnn_graph.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <string>

namespace palimpsest::simulator {

// A descriptor: what it was told.
struct CudnnAttribute {
  int64_t count = 0;
  std::string bytes;
};

struct CudnnObject {
  cudnnBackendDescriptorType_t type;
  std::map<cudnnBackendAttributeName_t, CudnnAttribute> attributes;
  bool finalized = false;

  bool Has(cudnnBackendAttributeName_t name) const { return attributes.count(name) > 0; }
  template <typename T>
  T Get(cudnnBackendAttributeName_t name, int64_t i = 0) const {
    T value = {};
    std::memcpy(&value, attributes.at(name).bytes.data() + i * sizeof(T), sizeof(T));
    return value;
  }
  int64_t Count(cudnnBackendAttributeName_t name) const { return attributes.at(name).count; }
  const CudnnObject& Child(cudnnBackendAttributeName_t name, int64_t i = 0) const {
    return *static_cast<CudnnObject*>(Get<cudnnBackendDescriptor_t>(name, i));
  }
};

// Computes the operations of a CUDNN_BACKEND_OPERATIONGRAPH one after another on the memory of a
// CUDNN_BACKEND_VARIANT_PACK, each tensor rounded to its type.
void RunCudnnGraph(const CudnnObject& graph, const CudnnObject& pack);

}  // namespace palimpsest::simulator

#endif  // KERNELS_CUDA_SIMULATOR_CUDNN_EXECUTION_H_
