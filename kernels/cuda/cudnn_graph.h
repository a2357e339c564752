#ifndef KERNELS_CUDA_CUDNN_GRAPH_H_
#define KERNELS_CUDA_CUDNN_GRAPH_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cuda/cudnn.h"

namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {

// [batch, head, row, column]: what cuDNN's engines for attention take.
using CudnnExtents = std::array<int64_t, 4>;
CudnnExtents DenseStrides(const CudnnExtents& extents);

// A tensor of a graph.
struct CudnnTensor {
  int64_t id = 0;
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  CudnnExtents extents = {}, strides = {};
  cudnnBackendDescriptor_t descriptor = nullptr;
};

// How a graph is run, chosen once: by the same engine, to the same bits.
class CudnnPlan {
 public:
  // `arguments`: the address of each, by id; `workspace`: workspace_bytes() of the device's memory.
  void Run(const std::map<int64_t, void*>& arguments, void* workspace) const;
  int64_t workspace_bytes() const { return workspace_bytes_; }

 private:
  friend class CudnnGraph;
  CudnnPlan(std::vector<CudnnDescriptor> graph, std::map<int64_t, uint32_t> constants,
            CudnnDescriptor plan);

  std::vector<CudnnDescriptor> graph_;
  std::map<int64_t, uint32_t> constants_;
  CudnnDescriptor plan_;
  int64_t workspace_bytes_ = 0;
};

// One computation, of operations that cuDNN fuses into a kernel. Results are virtual, that is in no
// memory, unless they are written to an argument; f32 if not said otherwise.
class CudnnGraph {
 public:
  // What Run is given the address of, 16-byte aligned if it is bf16.
  CudnnTensor Argument(int64_t id, cudnnDataType_t type, const CudnnExtents& extents,
                       const CudnnExtents& strides);
  CudnnTensor Constant(float value);
  CudnnTensor Constant(int32_t value);
  CudnnTensor Virtual(cudnnDataType_t type, const CudnnExtents& extents);
  CudnnTensor Virtual(cudnnDataType_t type, const CudnnExtents& extents,
                      const CudnnExtents& strides);

  // y = a b for each batch and head; a's head reads b's of its group.
  void MatMul(const CudnnTensor& a, const CudnnTensor& b, const CudnnTensor& y);
  CudnnTensor MatMul(const CudnnTensor& a, const CudnnTensor& b);
  // y = the sum, or maximum, of x over the axes in which y is 1, and of heads of a group.
  void Reduce(cudnnReduceTensorOp_t op, const CudnnTensor& x, const CudnnTensor& y);
  CudnnTensor ReduceRows(cudnnReduceTensorOp_t op, const CudnnTensor& x);
  // x's memory read with y's extents and strides.
  CudnnTensor Reshape(const CudnnTensor& x, const CudnnTensor& y);
  // y = mode(x, b), element by element; b's extents are x's or 1.
  void Map(cudnnPointwiseMode_t mode, const CudnnTensor& x, const CudnnTensor* b,
           const CudnnTensor& y);
  CudnnTensor Map(cudnnPointwiseMode_t mode, const CudnnTensor& x);
  CudnnTensor Map(cudnnPointwiseMode_t mode, const CudnnTensor& x, const CudnnTensor& b);
  CudnnTensor Compare(cudnnPointwiseMode_t mode, const CudnnTensor& x, const CudnnTensor& b);
  CudnnTensor Index(const CudnnTensor& like, int64_t axis);
  CudnnTensor Select(const CudnnTensor& mask, const CudnnTensor& yes, const CudnnTensor& no);

  // The first engine that cuDNN proposes and can build whose results are the same each time, for
  // the device of `handle`, or without one for that of `device`, a CUDNN_BACKEND_DEVICEPROP. Stops
  // where there is none, and says `what` was asked. Takes the graph.
  std::unique_ptr<CudnnPlan> Build(cudnnHandle_t handle, const CudnnDescriptor* device,
                                   const std::string& what) &&;

 private:
  CudnnTensor Make(CudnnTensor tensor, bool is_virtual, bool by_value);
  CudnnDescriptor& Keep(CudnnDescriptor descriptor);
  void Pointwise(cudnnPointwiseMode_t mode, cudnnDataType_t precision, int64_t axis,
                 const CudnnTensor& x, const CudnnTensor* b, const CudnnTensor* mask,
                 const CudnnTensor& y);
  void AddOperation(CudnnDescriptor operation);

  int64_t next_id_ = 1000;  // After those of arguments.
  std::vector<CudnnDescriptor> kept_;
  std::vector<cudnnBackendDescriptor_t> operations_;
  std::map<int64_t, uint32_t> constants_;  // Their bits.
};

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest

#endif  // KERNELS_CUDA_CUDNN_GRAPH_H_
