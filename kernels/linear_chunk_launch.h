#ifndef KERNELS_LINEAR_CHUNK_LAUNCH_H_
#define KERNELS_LINEAR_CHUNK_LAUNCH_H_

#include "kernels/cuda/dispatch.h"
#include "kernels/device/chunk_backward.cuh"
#include "kernels/device/chunk_forward.cuh"

// The kernels of linear_chunk, which take nvcc long, are compiled in files of their own.
namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {

// What a chunk does by itself, which depends on how states decay: linear_chunk_number.cu,
// linear_chunk_momentum.cu, linear_chunk_channels.cu.
template <typename T, typename Decay>
struct ChunkKernels {
  static void Prepare(const device::ChunkProblem<T>& g, const device::ChunkOperands<T>& operands);
  static void Backward(const device::ChunkProblem<T>& g, const device::ChunkOperands<T>& operands,
                       const device::ChunkGradients<T>& gradients);
};

// From chunk to chunk: linear_chunk_pass.cu.
template <typename T>
struct PassKernels {
  static void Forward(const device::ChunkProblem<T>& g, const device::ChunkOperands<T>& operands,
                      const device::PassOutputs<T>& outputs);
  static void Backward(const device::ChunkProblem<T>& g, const device::ChunkOperands<T>& operands,
                       const device::ChunkGradients<T>& gradients,
                       const device::StateCotangents<T>& states);
};

inline unsigned ChunkGrid(int64_t blocks) {
  PALIMPSEST_CHECK(blocks <= INT32_MAX) << blocks << " blocks";
  return static_cast<unsigned>(blocks);
}

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest

#endif  // KERNELS_LINEAR_CHUNK_LAUNCH_H_
