#include "kernels/device/shared.cuh"
#include "kernels/linear_chunk_launch.h"

namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {
namespace {

// The most value channels for which a block's states fit, but fewer where there would be few
// blocks. What an element is summed of does not depend on it.
template <typename T>
int PassWidth(const device::ChunkProblem<T>& g) {
  constexpr int kLeast = 8;
  constexpr int64_t kBlocks = 128;
  const auto fits = [&](int width) {
    return device::PassShared<T>(nullptr, g, width).plan.end() <= device::kMaxShared;
  };
  int width = device::kEdge;
  while (width > kLeast && !fits(width)) width /= 2;
  PALIMPSEST_CHECK(fits(width)) << "keys of " << g.key << " are too long for CUDA";
  while (width > 2 * kLeast && g.units() * ((g.value + width - 1) / width) < kBlocks) width /= 2;
  return width;
}

template <typename T>
void LaunchPass(const device::ChunkProblem<T>& g, auto kernel, const auto&... args) {
  const int width = PassWidth(g);
  Launch(kernel, ChunkGrid(g.units() * ((g.value + width - 1) / width)), device::kProductThreads,
         device::PassShared<T>(nullptr, g, width).plan.end(), g, args..., width);
}

}  // namespace

template <typename T>
void PassKernels<T>::Forward(const device::ChunkProblem<T>& g,
                             const device::ChunkOperands<T>& operands,
                             const device::PassOutputs<T>& outputs) {
  LaunchPass(g, device::ForwardPass<T>, operands, outputs);
}

template <typename T>
void PassKernels<T>::Backward(const device::ChunkProblem<T>& g,
                              const device::ChunkOperands<T>& operands,
                              const device::ChunkGradients<T>& gradients,
                              const device::StateCotangents<T>& states) {
  LaunchPass(g, device::BackwardPass<T>, operands, gradients, states);
}

template struct PassKernels<double>;
template struct PassKernels<float>;
template struct PassKernels<__nv_bfloat16>;

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest
