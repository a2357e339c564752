#include "kernels/cuda/simulator/cudnn_execution.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <utility>
#include <vector>

#include "core/dtype.h"

namespace palimpsest::simulator {
namespace {

using Extents = std::array<int64_t, 4>;

// A tensor's elements while a graph runs, row-major.
struct Values {
  Extents extents, strides;  // Strides of its memory.
  cudnnDataType_t type;
  std::vector<double> data;

  int64_t size() const { return extents[0] * extents[1] * extents[2] * extents[3]; }
  Extents At(int64_t i) const {
    Extents at;
    for (int axis = 3; axis >= 0; --axis) at[axis] = i % extents[axis], i /= extents[axis];
    return at;
  }
  int64_t Offset(int64_t i) const {
    const Extents at = At(i);
    int64_t offset = 0;
    for (int axis = 0; axis < 4; ++axis) offset += at[axis] * strides[axis];
    return offset;
  }
  // Of an element of a larger tensor: axes of 1 are broadcast, heads belong to groups.
  double Of(const Extents& at, const Extents& larger) const {
    int64_t i = 0;
    for (int axis = 0; axis < 4; ++axis)
      i = i * extents[axis] + at[axis] * extents[axis] / larger[axis];
    return data[i];
  }
};

double Round(double x, cudnnDataType_t type) {
  switch (type) {
    case CUDNN_DATA_BFLOAT16: return static_cast<double>(Bf16(x));
    case CUDNN_DATA_FLOAT: return static_cast<float>(x);
    default: return x;
  }
}

double Read(const void* data, cudnnDataType_t type, int64_t i) {
  switch (type) {
    case CUDNN_DATA_BFLOAT16: return static_cast<double>(static_cast<const Bf16*>(data)[i]);
    case CUDNN_DATA_FLOAT: return static_cast<const float*>(data)[i];
    default: return static_cast<const int32_t*>(data)[i];
  }
}

double Pointwise(cudnnPointwiseMode_t mode, double x, double b, double mask) {
  switch (mode) {
    case CUDNN_POINTWISE_ADD: return x + b;
    case CUDNN_POINTWISE_SUB: return x - b;
    case CUDNN_POINTWISE_MUL: return x * b;
    case CUDNN_POINTWISE_DIV: return x / b;
    case CUDNN_POINTWISE_EXP: return std::exp(x);
    case CUDNN_POINTWISE_LOG: return std::log(x);
    case CUDNN_POINTWISE_CMP_GE: return x >= b ? 1.0 : 0.0;
    case CUDNN_POINTWISE_CMP_GT: return x > b ? 1.0 : 0.0;
    default: return mask != 0.0 ? x : b;
  }
}

class Execution {
 public:
  explicit Execution(const CudnnObject& pack) {
    for (int64_t i = 0; i < pack.Count(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS); ++i)
      addresses_[pack.Get<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, i)] =
          pack.Get<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, i);
  }

  void Run(const CudnnObject& operation) {
    switch (operation.type) {
      case CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR: return MatMul(operation);
      case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR: return Map(operation);
      case CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR: return Reduce(operation);
      default: return Reshape(operation);
    }
  }

 private:
  void MatMul(const CudnnObject& operation) {
    const Values& a = In(operation.Child(CUDNN_ATTR_OPERATION_MATMUL_ADESC));
    const Values& b = In(operation.Child(CUDNN_ATTR_OPERATION_MATMUL_BDESC));
    Out(operation.Child(CUDNN_ATTR_OPERATION_MATMUL_CDESC), [&](const Extents& at,
                                                                const Values& y) {
      const int64_t inner = a.extents[3], head = at[1] * b.extents[1] / y.extents[1];
      const double* row = &a.data[((at[0] * a.extents[1] + at[1]) * a.extents[2] + at[2]) * inner];
      const double* matrix = &b.data[(at[0] * b.extents[1] + head) * inner * b.extents[3] + at[3]];
      double sum = 0.0;
      for (int64_t i = 0; i < inner; ++i) sum += row[i] * matrix[i * b.extents[3]];
      return sum;
    });
  }

  void Map(const CudnnObject& operation) {
    const CudnnObject& how = operation.Child(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
    const auto mode = how.Get<cudnnPointwiseMode_t>(CUDNN_ATTR_POINTWISE_MODE);
    const CudnnObject& result = operation.Child(CUDNN_ATTR_OPERATION_POINTWISE_YDESC);
    if (mode == CUDNN_POINTWISE_GEN_INDEX) {
      const auto axis = how.Get<int64_t>(CUDNN_ATTR_POINTWISE_AXIS);
      return Out(result,
                 [&](const Extents& at, const Values&) { return static_cast<double>(at[axis]); });
    }
    const auto input = [&](cudnnBackendAttributeName_t name) {
      return operation.Has(name) ? &In(operation.Child(name)) : nullptr;
    };
    const Values* x = input(CUDNN_ATTR_OPERATION_POINTWISE_XDESC);
    const Values* b = input(CUDNN_ATTR_OPERATION_POINTWISE_BDESC);
    const Values* mask = input(CUDNN_ATTR_OPERATION_POINTWISE_TDESC);
    Out(result, [&](const Extents& at, const Values& y) {
      const auto value = [&](const Values* v) { return v != nullptr ? v->Of(at, y.extents) : 0.0; };
      return Pointwise(mode, value(x), value(b), value(mask));
    });
  }

  void Reduce(const CudnnObject& operation) {
    const CudnnObject& how = operation.Child(CUDNN_ATTR_OPERATION_REDUCTION_DESC);
    const auto op = how.Get<cudnnReduceTensorOp_t>(CUDNN_ATTR_REDUCTION_OPERATOR);
    const Values& x = In(operation.Child(CUDNN_ATTR_OPERATION_REDUCTION_XDESC));
    const bool sum = op == CUDNN_REDUCE_TENSOR_ADD;
    const CudnnObject& result = operation.Child(CUDNN_ATTR_OPERATION_REDUCTION_YDESC);
    std::map<Extents, double> reduced;
    Extents extents;
    for (int axis = 0; axis < 4; ++axis)
      extents[axis] = result.Get<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS, axis);
    for (int64_t i = 0; i < x.size(); ++i) {
      Extents at = x.At(i);
      for (int axis = 0; axis < 4; ++axis) at[axis] = at[axis] * extents[axis] / x.extents[axis];
      const auto [found, first] = reduced.try_emplace(at, x.data[i]);
      if (!first)
        found->second = sum ? found->second + x.data[i] : std::max(found->second, x.data[i]);
    }
    Out(result, [&](const Extents& at, const Values&) { return reduced.at(at); });
  }

  void Reshape(const CudnnObject& operation) {
    const Values& x = In(operation.Child(CUDNN_ATTR_OPERATION_RESHAPE_XDESC));
    std::map<int64_t, double> memory;
    for (int64_t i = 0; i < x.size(); ++i) memory[x.Offset(i)] = x.data[i];
    Out(operation.Child(CUDNN_ATTR_OPERATION_RESHAPE_YDESC),
        [&](const Extents& at, const Values& y) {
          int64_t offset = 0;
          for (int axis = 0; axis < 4; ++axis) offset += at[axis] * y.strides[axis];
          return memory.at(offset);
        });
  }

  static Values Empty(const CudnnObject& tensor) {
    Values values;
    for (int axis = 0; axis < 4; ++axis) {
      values.extents[axis] = tensor.Get<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS, axis);
      values.strides[axis] = tensor.Get<int64_t>(CUDNN_ATTR_TENSOR_STRIDES, axis);
    }
    values.type = tensor.Get<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE);
    values.data.resize(values.size());
    return values;
  }

  // What an operation made, or memory holds.
  const Values& In(const CudnnObject& tensor) {
    const auto id = tensor.Get<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID);
    const auto [found, first] = values_.try_emplace(id, Values{});
    if (first) {
      found->second = Empty(tensor);
      for (int64_t i = 0; i < found->second.size(); ++i)
        found->second.data[i] =
            Read(addresses_.at(id), found->second.type, found->second.Offset(i));
    }
    return found->second;
  }

  void Out(const CudnnObject& tensor,
           const std::function<double(const Extents&, const Values&)>& element) {
    const auto id = tensor.Get<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID);
    Values y = Empty(tensor);
    for (int64_t i = 0; i < y.size(); ++i) {
      y.data[i] = Round(element(y.At(i), y), y.type);
      if (tensor.Get<bool>(CUDNN_ATTR_TENSOR_IS_VIRTUAL)) continue;
      if (y.type == CUDNN_DATA_BFLOAT16) {
        static_cast<Bf16*>(addresses_.at(id))[y.Offset(i)] = Bf16(y.data[i]);
      } else {
        static_cast<float*>(addresses_.at(id))[y.Offset(i)] = static_cast<float>(y.data[i]);
      }
    }
    values_[id] = std::move(y);
  }

  std::map<int64_t, void*> addresses_;
  std::map<int64_t, Values> values_;  // By the tensor's id.
};

}  // namespace

void RunCudnnGraph(const CudnnObject& graph, const CudnnObject& pack) {
  Execution execution(pack);
  for (int64_t i = 0; i < graph.Count(CUDNN_ATTR_OPERATIONGRAPH_OPS); ++i)
    execution.Run(graph.Child(CUDNN_ATTR_OPERATIONGRAPH_OPS, i));
}

}  // namespace palimpsest::simulator
