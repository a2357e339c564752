#include <algorithm>
#include <bit>
#include <optional>

#include "kernels/cuda/cudnn_graph.h"

namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {
namespace {

// Whether results of an engine's kernels may differ from one time to the next.
bool Varies(const CudnnDescriptor& config) {
  const CudnnDescriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t raw = engine.get();
  config.GetAll(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &raw);
  std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes;
  const int64_t count = engine.GetAll(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                      notes.size(), notes.data());
  return std::count(notes.begin(), notes.begin() + count, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC) >
         0;
}

std::vector<CudnnDescriptor> Configurations(const CudnnDescriptor& graph,
                                            const CudnnDescriptor* device,
                                            cudnnBackendHeurMode_t mode, std::string* why) {
  CudnnDescriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.Set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristics.Set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
  if (device != nullptr) heuristics.Set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *device);
  std::vector<CudnnDescriptor> configs;
  const cudnnStatus_t status = heuristics.TryFinalize();
  if (status != CUDNN_STATUS_SUCCESS) {
    *why = CudnnError(status);
    return configs;
  }
  const int64_t most =
      heuristics.GetAll(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, nullptr);
  std::vector<cudnnBackendDescriptor_t> raw;
  for (int64_t i = 0; i < most; ++i)
    raw.push_back(configs.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR).get());
  const int64_t count = heuristics.GetAll(CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                          CUDNN_TYPE_BACKEND_DESCRIPTOR, most, raw.data());
  while (static_cast<int64_t>(configs.size()) > count) configs.pop_back();
  if (configs.empty()) *why = "none is proposed";
  return configs;
}

}  // namespace

CudnnExtents DenseStrides(const CudnnExtents& extents) {
  return {extents[1] * extents[2] * extents[3], extents[2] * extents[3], extents[3], 1};
}

CudnnDescriptor& CudnnGraph::Keep(CudnnDescriptor descriptor) {
  descriptor.Finalize();
  return kept_.emplace_back(std::move(descriptor));
}

CudnnTensor CudnnGraph::Make(CudnnTensor tensor, bool is_virtual, bool by_value) {
  // Of f32, slices begin anywhere.
  const int64_t alignment = tensor.type == CUDNN_DATA_BFLOAT16 ? 16 : sizeof(float);
  CudnnDescriptor made(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  made.Set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, tensor.id);
  made.Set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, tensor.type);
  made.Set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, alignment);
  made.SetAll(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, tensor.extents.data());
  made.SetAll(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, tensor.strides.data());
  made.Set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, is_virtual);
  made.Set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, by_value);
  tensor.descriptor = Keep(std::move(made)).get();
  return tensor;
}

CudnnTensor CudnnGraph::Argument(int64_t id, cudnnDataType_t type, const CudnnExtents& extents,
                                 const CudnnExtents& strides) {
  return Make({.id = id, .type = type, .extents = extents, .strides = strides}, false, false);
}

CudnnTensor CudnnGraph::Virtual(cudnnDataType_t type, const CudnnExtents& extents,
                                const CudnnExtents& strides) {
  return Make({.id = next_id_++, .type = type, .extents = extents, .strides = strides}, true,
              false);
}
CudnnTensor CudnnGraph::Virtual(cudnnDataType_t type, const CudnnExtents& extents) {
  return Virtual(type, extents, DenseStrides(extents));
}

CudnnTensor CudnnGraph::Constant(float value) {
  constants_[next_id_] = std::bit_cast<uint32_t>(value);
  return Make({.id = next_id_++, .extents = {1, 1, 1, 1}, .strides = {1, 1, 1, 1}}, false, true);
}
CudnnTensor CudnnGraph::Constant(int32_t value) {
  constants_[next_id_] = std::bit_cast<uint32_t>(value);
  return Make({.id = next_id_++,
               .type = CUDNN_DATA_INT32,
               .extents = {1, 1, 1, 1},
               .strides = {1, 1, 1, 1}},
              false, true);
}

void CudnnGraph::AddOperation(CudnnDescriptor operation) {
  operations_.push_back(Keep(std::move(operation)).get());
}

void CudnnGraph::MatMul(const CudnnTensor& a, const CudnnTensor& b, const CudnnTensor& y) {
  CudnnDescriptor how(CUDNN_BACKEND_MATMUL_DESCRIPTOR);
  how.Set(CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  CudnnDescriptor operation(CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
  operation.Set(CUDNN_ATTR_OPERATION_MATMUL_DESC, Keep(std::move(how)));
  const auto set = [&](cudnnBackendAttributeName_t name, const CudnnTensor& x) {
    operation.Set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, x.descriptor);
  };
  set(CUDNN_ATTR_OPERATION_MATMUL_ADESC, a);
  set(CUDNN_ATTR_OPERATION_MATMUL_BDESC, b);
  set(CUDNN_ATTR_OPERATION_MATMUL_CDESC, y);
  AddOperation(std::move(operation));
}
CudnnTensor CudnnGraph::MatMul(const CudnnTensor& a, const CudnnTensor& b) {
  const CudnnTensor y =
      Virtual(CUDNN_DATA_FLOAT, {a.extents[0], a.extents[1], a.extents[2], b.extents[3]});
  MatMul(a, b, y);
  return y;
}

void CudnnGraph::Reduce(cudnnReduceTensorOp_t op, const CudnnTensor& x, const CudnnTensor& y) {
  CudnnDescriptor how(CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
  how.Set(CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, op);
  how.Set(CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  how.Set(CUDNN_ATTR_REDUCTION_IS_DETERMINISTIC, CUDNN_TYPE_BOOLEAN, true);
  CudnnDescriptor operation(CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
  operation.Set(CUDNN_ATTR_OPERATION_REDUCTION_DESC, Keep(std::move(how)));
  operation.Set(CUDNN_ATTR_OPERATION_REDUCTION_XDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, x.descriptor);
  operation.Set(CUDNN_ATTR_OPERATION_REDUCTION_YDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, y.descriptor);
  AddOperation(std::move(operation));
}
CudnnTensor CudnnGraph::ReduceRows(cudnnReduceTensorOp_t op, const CudnnTensor& x) {
  const CudnnTensor y = Virtual(CUDNN_DATA_FLOAT, {x.extents[0], x.extents[1], x.extents[2], 1});
  Reduce(op, x, y);
  return y;
}

CudnnTensor CudnnGraph::Reshape(const CudnnTensor& x, const CudnnTensor& y) {
  CudnnDescriptor operation(CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR);
  operation.Set(CUDNN_ATTR_OPERATION_RESHAPE_XDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, x.descriptor);
  operation.Set(CUDNN_ATTR_OPERATION_RESHAPE_YDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, y.descriptor);
  AddOperation(std::move(operation));
  return y;
}

void CudnnGraph::Pointwise(cudnnPointwiseMode_t mode, cudnnDataType_t precision, int64_t axis,
                           const CudnnTensor& x, const CudnnTensor* b, const CudnnTensor* mask,
                           const CudnnTensor& y) {
  CudnnDescriptor how(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  how.Set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, mode);
  how.Set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, precision);
  if (mode == CUDNN_POINTWISE_GEN_INDEX) how.Set(CUDNN_ATTR_POINTWISE_AXIS, CUDNN_TYPE_INT64, axis);
  CudnnDescriptor operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  operation.Set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, Keep(std::move(how)));
  const auto set = [&](cudnnBackendAttributeName_t name, const CudnnTensor* tensor) {
    if (tensor != nullptr) operation.Set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, tensor->descriptor);
  };
  set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, &x);
  set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b);
  set(CUDNN_ATTR_OPERATION_POINTWISE_TDESC, mask);
  set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, &y);
  AddOperation(std::move(operation));
}

void CudnnGraph::Map(cudnnPointwiseMode_t mode, const CudnnTensor& x, const CudnnTensor* b,
                     const CudnnTensor& y) {
  const bool integer = y.type == CUDNN_DATA_INT32;
  Pointwise(mode, integer ? CUDNN_DATA_INT32 : CUDNN_DATA_FLOAT, 0, x, b, nullptr, y);
}
CudnnTensor CudnnGraph::Map(cudnnPointwiseMode_t mode, const CudnnTensor& x) {
  const CudnnTensor y = Virtual(CUDNN_DATA_FLOAT, x.extents);
  Map(mode, x, nullptr, y);
  return y;
}
CudnnTensor CudnnGraph::Map(cudnnPointwiseMode_t mode, const CudnnTensor& x, const CudnnTensor& b) {
  const bool integer = x.type == CUDNN_DATA_INT32 && b.type == CUDNN_DATA_INT32;
  const CudnnTensor y = Virtual(integer ? CUDNN_DATA_INT32 : CUDNN_DATA_FLOAT, x.extents);
  Map(mode, x, &b, y);
  return y;
}

CudnnTensor CudnnGraph::Compare(cudnnPointwiseMode_t mode, const CudnnTensor& x,
                                const CudnnTensor& b) {
  const CudnnTensor y = Virtual(CUDNN_DATA_BOOLEAN, x.extents);
  Pointwise(mode, CUDNN_DATA_BOOLEAN, 0, x, &b, nullptr, y);
  return y;
}

CudnnTensor CudnnGraph::Index(const CudnnTensor& like, int64_t axis) {
  const CudnnTensor y = Virtual(CUDNN_DATA_INT32, like.extents);
  Pointwise(CUDNN_POINTWISE_GEN_INDEX, CUDNN_DATA_FLOAT, axis, like, nullptr, nullptr, y);
  return y;
}

CudnnTensor CudnnGraph::Select(const CudnnTensor& mask, const CudnnTensor& yes,
                               const CudnnTensor& no) {
  const CudnnTensor y = Virtual(CUDNN_DATA_FLOAT, yes.extents);
  Pointwise(CUDNN_POINTWISE_BINARY_SELECT, CUDNN_DATA_FLOAT, 0, yes, &no, &mask, y);
  return y;
}

std::unique_ptr<CudnnPlan> CudnnGraph::Build(cudnnHandle_t handle, const CudnnDescriptor* device,
                                             const std::string& what) && {
  CudnnDescriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.SetAll(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
               static_cast<int64_t>(operations_.size()), operations_.data());
  if (handle != nullptr) graph.Set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, handle);
  graph.Finalize();
  std::string why;
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    for (CudnnDescriptor& config : Configurations(graph, device, mode, &why)) {
      if (Varies(config)) continue;
      CudnnDescriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
      plan.Set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
      const cudnnStatus_t status = plan.TryFinalize();
      if (status != CUDNN_STATUS_SUCCESS) {
        why = CudnnError(status);
        continue;
      }
      kept_.push_back(std::move(config));
      kept_.push_back(std::move(graph));
      return std::unique_ptr<CudnnPlan>(
          new CudnnPlan(std::move(kept_), std::move(constants_), std::move(plan)));
    }
  }
  PALIMPSEST_CHECK(false) << "cuDNN has no engine for " << what << ": " << why;
  return nullptr;
}

CudnnPlan::CudnnPlan(std::vector<CudnnDescriptor> graph, std::map<int64_t, uint32_t> constants,
                     CudnnDescriptor plan)
    : graph_(std::move(graph)), constants_(std::move(constants)), plan_(std::move(plan)) {
  plan_.GetAll(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &workspace_bytes_);
}

void CudnnPlan::Run(const std::map<int64_t, void*>& arguments, void* workspace) const {
  std::vector<int64_t> ids;
  std::vector<const void*> data;
  for (const auto& [id, address] : arguments) ids.push_back(id), data.push_back(address);
  for (const auto& [id, bits] : constants_) ids.push_back(id), data.push_back(&bits);
  const auto count = static_cast<int64_t>(ids.size());
  CudnnDescriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.SetAll(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count, ids.data());
  pack.SetAll(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count, data.data());
  pack.Set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace);
  pack.Finalize();
  PALIMPSEST_CUDNN_CHECK(Cudnn::Get().BackendExecute(Cudnn::Handle(), plan_.get(), pack.get()));
}

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest
