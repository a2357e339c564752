#include "kernels/device/chunk_number.cuh"
#include "kernels/linear_chunk_kernels.h"

namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {

template struct ChunkKernels<double, device::NumberDecay<double, 1>>;
template struct ChunkKernels<float, device::NumberDecay<float, 1>>;
template struct ChunkKernels<__nv_bfloat16, device::NumberDecay<__nv_bfloat16, 1>>;

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest
