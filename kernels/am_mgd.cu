#include "kernels/am_mgd.h"
#include "kernels/update_launch.h"

namespace palimpsest {
namespace {

struct AmMgdSums {
  static constexpr int kState = 1, kSums = 2;
  double weight_decay, lambda;

  template <typename N>
  struct Constants {
    N grad_scale, weight_decay;
  };
  template <typename N>
  __device__ Constants<N> Prepare(const device::Now& now) const {
    return {N(now.grad_scale), N(weight_decay)};
  }

  template <typename N>
  __device__ static void Add(const Constants<N>& c, N param, N grad, N (&d)[1], bool,
                             double (&sums)[2]) {
    N g = c.grad_scale * grad;
    if (c.weight_decay != N(0)) g += c.weight_decay * param;
    const double wide = g, gap = d[0] - g;
    sums[0] += wide * wide;
    sums[1] += gap * gap;
  }
  __device__ void Result(const double (&sums)[2], double* to) const {
    to[0] = (1.0 + lambda) * sums[0] - lambda * sums[1];
    to[1] = sums[1];
  }
};

struct AmMgd {
  static constexpr int kState = 1;
  Scalar lr;
  double weight_decay, lambda, beta_max;
  const double* sums;

  template <typename N>
  struct Constants {
    N grad_scale, lr, weight_decay, keep, write;
  };
  template <typename N>
  __device__ Constants<N> Prepare(const device::Now& now) const {
    const bool first = now.steps == 1.0;
    const double num = sums[0], den = sums[1];
    const double beta = den > 0.0 ? fmin(fmax(num / den, 0.0), beta_max) : 0.0;
    return {.grad_scale = N(now.grad_scale),
            .lr = N(device::ValueOf(lr)),
            .weight_decay = N(weight_decay),
            .keep = N(first ? 0.0 : (beta + lambda) / (1.0 + lambda)),
            .write = N(first ? 1.0 : (1.0 - beta) / (1.0 + lambda))};
  }

  template <typename N>
  __device__ static void Apply(const Constants<N>& c, N& param, N grad, N (&state)[1]) {
    const N g = c.grad_scale * grad + c.weight_decay * param;
    state[0] = c.keep * state[0] + c.write * g;
    param = param - c.lr * state[0];
  }
};

// total [2] = the sums over the rows of sums [rows, 2]; one block.
__global__ void TotalKernel(const double* sums, int64_t rows, double* total) {
  for (int k = 0; k < 2; ++k) {
    double sum = 0.0;
    for (int64_t i = threadIdx.x; i < rows; i += blockDim.x) sum += sums[2 * i + k];
    sum = device::BlockReduce(sum, 0.0, device::Plus(), device::SharedMemory<double>());
    if (threadIdx.x == 0) total[k] = sum;
  }
}

void AmMgdSumsCuda(absl::Span<const AmMgdArgs> all, double* sums, double* total) {
  std::vector<UpdateOf<AmMgdSums>> rows;
  for (const AmMgdArgs& a : all) {
    ParamUpdate update = a.update;  // Only read.
    update.param_out = update.low_out = nullptr;
    rows.push_back(MakeRow(update, {a.d}, {nullptr}, AmMgdSums{a.weight_decay, a.lambda}));
    rows.back().row.tensors.sums = sums + 2 * (rows.size() - 1);
  }
  LaunchSums(rows);
  if (total == nullptr) return;
  Launch(TotalKernel, 1, device::kUpdateThreads, device::kReduceBytes, sums,
         static_cast<int64_t>(all.size()), total);
}

void AmMgdCuda(absl::Span<const AmMgdArgs> all) {
  std::vector<UpdateOf<AmMgd>> rows;
  for (const AmMgdArgs& a : all)
    rows.push_back(MakeRow(a.update, {a.d}, {a.d_out},
                           AmMgd{a.lr, a.weight_decay, a.lambda, a.beta_max, a.sums}));
  LaunchUpdates(rows);
}

PALIMPSEST_REGISTER_CUDA_KERNEL(am_mgd_sums, AmMgdSumsCuda);
PALIMPSEST_REGISTER_CUDA_KERNEL(am_mgd, AmMgdCuda);

}  // namespace
}  // namespace palimpsest
