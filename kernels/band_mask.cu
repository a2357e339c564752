#include "kernels/band_mask.h"
#include "kernels/cuda/launch.h"
#include "kernels/device/map.cuh"

namespace palimpsest {
namespace {

__global__ void BandMaskKernel(BandMaskArgs args) {
  const int64_t size = args.rows * args.columns;
  for (int64_t at = device::FirstUnit(); at < size; at += device::UnitStride()) {
    const int64_t beyond = at % args.columns - at / args.columns;
    args.to[at] = args.first <= beyond && beyond <= args.last ? 1 : 0;
  }
}

void BandMaskCuda(const BandMaskArgs& args) {
  Launch(BandMaskKernel, device::Blocks(args.rows * args.columns), device::kThreads, 0, args);
}

PALIMPSEST_REGISTER_CUDA_KERNEL(band_mask, BandMaskCuda);

}  // namespace
}  // namespace palimpsest
