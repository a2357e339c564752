#include "kernels/device/chunk_number.cuh"
#include "kernels/linear_chunk_kernels.h"

namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {

template struct ChunkKernels<double, device::NumberDecay<double, 2>>;
template struct ChunkKernels<float, device::NumberDecay<float, 2>>;
template struct ChunkKernels<__nv_bfloat16, device::NumberDecay<__nv_bfloat16, 2>>;

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest
