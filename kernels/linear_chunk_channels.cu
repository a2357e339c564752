#include "kernels/device/chunk_channels_backward.cuh"
#include "kernels/linear_chunk_kernels.h"

namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {

template struct ChunkKernels<double, device::ChannelDecay<double>>;
template struct ChunkKernels<float, device::ChannelDecay<float>>;
template struct ChunkKernels<__nv_bfloat16, device::ChannelDecay<__nv_bfloat16>>;

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest
