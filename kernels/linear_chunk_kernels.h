#ifndef KERNELS_LINEAR_CHUNK_KERNELS_H_
#define KERNELS_LINEAR_CHUNK_KERNELS_H_

#include "kernels/linear_chunk_launch.h"

namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {

template <typename T, typename Decay>
void ChunkKernels<T, Decay>::Prepare(const device::ChunkProblem<T>& g,
                                     const device::ChunkOperands<T>& operands) {
  Launch(device::PrepareChunks<T, Decay>, ChunkGrid(g.places()), device::kProductThreads,
         device::PrepareShared<T, Decay>(nullptr, g).plan.end(), g, operands);
}

template <typename T, typename Decay>
void ChunkKernels<T, Decay>::Backward(const device::ChunkProblem<T>& g,
                                      const device::ChunkOperands<T>& operands,
                                      const device::ChunkGradients<T>& gradients) {
  Launch(device::ChunkBackward<T, Decay>, ChunkGrid(g.places()), device::kProductThreads,
         device::GradientShared<T, Decay>(nullptr, g).plan.end(), g, operands, gradients);
}

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest

#endif  // KERNELS_LINEAR_CHUNK_KERNELS_H_
