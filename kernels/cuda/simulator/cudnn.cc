// cuDNN, on the host: descriptors that keep what they are told, and one engine that takes any
// graph.
#include "kernels/cuda/cudnn.h"

#include <string>

#include "kernels/cuda/simulator/cudnn_execution.h"
#include "kernels/cuda/simulator/memory.h"
#include "kernels/cuda/simulator/stream.h"

namespace {

using palimpsest::simulator::CudnnObject;

struct Handle {
  cudaStream_t stream = nullptr;
};

CudnnObject* Of(cudnnBackendDescriptor_t x) { return static_cast<CudnnObject*>(x); }

size_t SizeOf(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_BOOLEAN: return sizeof(bool);
    case CUDNN_TYPE_DATA_TYPE: return sizeof(cudnnDataType_t);
    case CUDNN_TYPE_HEUR_MODE: return sizeof(cudnnBackendHeurMode_t);
    case CUDNN_TYPE_NUMERICAL_NOTE: return sizeof(cudnnBackendNumericalNote_t);
    case CUDNN_TYPE_POINTWISE_MODE: return sizeof(cudnnPointwiseMode_t);
    case CUDNN_TYPE_REDUCTION_OPERATOR_TYPE: return sizeof(cudnnReduceTensorOp_t);
    default: return 8;
  }
}

}  // namespace

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  *handle = new Handle;
  return CUDNN_STATUS_SUCCESS;
}
const char* cudnnGetErrorString(cudnnStatus_t status) {
  constexpr const char* kNames[] = {"success", "a bad parameter", "not supported"};
  return kNames[status];
}
void cudnnGetLastErrorString(char* message, size_t) { message[0] = '\0'; }
size_t cudnnGetVersion() { return 99999; }
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  static_cast<Handle*>(handle)->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t* descriptor) {
  *descriptor = new CudnnObject{type, {}};
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  delete Of(descriptor);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  if (Of(descriptor)->finalized) return CUDNN_STATUS_BAD_PARAM;
  Of(descriptor)->finalized = true;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count,
                                       const void* values) {
  if (Of(descriptor)->finalized) return CUDNN_STATUS_BAD_PARAM;
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    for (int64_t i = 0; i < count; ++i) {
      if (!Of(static_cast<const cudnnBackendDescriptor_t*>(values)[i])->finalized)
        return CUDNN_STATUS_BAD_PARAM;
    }
  }
  Of(descriptor)->attributes[name] = {
      count, std::string(static_cast<const char*>(values), count * SizeOf(type))};
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t, int64_t wanted, int64_t* count,
                                       void* values) {
  if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS) {
    // Asked for none, an upper bound. Then one engine, which does what the graph says.
    *count = wanted == 0 ? 3 : 1;
    if (wanted == 0) return CUDNN_STATUS_SUCCESS;
    CudnnObject* config = Of(*static_cast<cudnnBackendDescriptor_t*>(values));
    config->attributes[CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH] =
        Of(descriptor)->attributes.at(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    config->finalized = true;
    return CUDNN_STATUS_SUCCESS;
  }
  *count = name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE ? 0 : 1;
  if (name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE) *static_cast<int64_t*>(values) = 0;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t pack) {
  const CudnnObject& graph = Of(plan)
                                 ->Child(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)
                                 .Child(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
  palimpsest::simulator::Do(static_cast<Handle*>(handle)->stream, [&graph, pack = *Of(pack)] {
    const palimpsest::simulator::OpenMemory open("cudnnBackendExecute");
    palimpsest::simulator::RunCudnnGraph(graph, pack);
  });
  return CUDNN_STATUS_SUCCESS;
}

namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {

bool Cudnn::Present() { return true; }

const Cudnn& Cudnn::Get() {
  static const Cudnn cudnn = {cudnnCreate,
                              cudnnGetErrorString,
                              cudnnGetLastErrorString,
                              cudnnGetVersion,
                              cudnnSetStream,
                              cudnnBackendCreateDescriptor,
                              cudnnBackendDestroyDescriptor,
                              cudnnBackendExecute,
                              cudnnBackendFinalize,
                              cudnnBackendGetAttribute,
                              cudnnBackendSetAttribute};
  return cudnn;
}

cudnnHandle_t Cudnn::Handle() {
  static const cudnnHandle_t handle = [] {
    cudnnHandle_t made;
    PALIMPSEST_CUDNN_CHECK(Get().Create(&made));
    PALIMPSEST_CUDNN_CHECK(Get().SetStream(made, CudaStream()));
    return made;
  }();
  return handle;
}

bool Cudnn::Serves() { return true; }

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest
