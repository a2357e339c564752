#include "kernels/cuda/launch.h"
#include "kernels/device/reduce.cuh"
#include "kernels/device/shared.cuh"
#include "kernels/global_norm.h"

namespace palimpsest {
namespace {

constexpr double kClipEps = 1e-6;

// One block.
__global__ void GlobalNormKernel(GlobalNormArgs args) {
  double sum = 0.0;
  for (int64_t i = threadIdx.x; i < args.count; i += blockDim.x) sum += args.squares[i];
  sum = device::BlockReduce(sum, 0.0, device::Plus(), device::SharedMemory<double>());
  if (threadIdx.x != 0) return;
  const double norm = sqrt(sum);
  const bool finite = norm - norm == 0.0 &&
                      (args.loss == nullptr || *args.loss - *args.loss == 0.0) &&
                      (args.failed == nullptr || *args.failed == 0.0);
  const double clipped = args.max_norm == 0.0 ? 1.0 : fmin(1.0, args.max_norm / (norm + kClipEps));
  *args.norm = norm;
  *args.scale = finite ? clipped : nan("");
  if (args.skipped != nullptr) *args.skipped_out = *args.skipped + (finite ? 0.0 : 1.0);
  if (args.failed != nullptr) *args.failed_out = *args.failed + (finite ? 0.0 : 1.0);
}

void GlobalNormCuda(const GlobalNormArgs& args) {
  Launch(GlobalNormKernel, 1, 256, device::kReduceBytes, args);
}

PALIMPSEST_REGISTER_CUDA_KERNEL(global_norm, GlobalNormCuda);

}  // namespace
}  // namespace palimpsest
