#include "kernels/adamw.h"
#include "kernels/update_launch.h"

namespace palimpsest {
namespace {

struct AdamW {
  static constexpr int kState = 2;
  Scalar lr;
  double beta1, beta2, eps, weight_decay;

  template <typename N>
  struct Constants {
    N grad_scale, keep_m, write_m, keep_v, write_v, keep_param, step, root_scale, eps;
  };

  template <typename N>
  __device__ Constants<N> Prepare(const device::Now& now) const {
    const double rate = device::ValueOf(lr);
    return {.grad_scale = N(now.grad_scale),
            .keep_m = N(beta1),
            .write_m = N(1.0 - beta1),
            .keep_v = N(beta2),
            .write_v = N(1.0 - beta2),
            .keep_param = N(1.0 - rate * weight_decay),
            .step = N(rate / (1.0 - pow(beta1, now.steps))),
            .root_scale = N(1.0 / sqrt(1.0 - pow(beta2, now.steps))),
            .eps = N(eps)};
  }

  template <typename N>
  __device__ static void Apply(const Constants<N>& c, N& param, N grad, N (&state)[2]) {
    auto& [m, v] = state;
    const N g = c.grad_scale * grad;
    m = c.keep_m * m + c.write_m * g;
    v = c.keep_v * v + c.write_v * (g * g);
    param = c.keep_param * param - c.step * m / (c.root_scale * sqrt(v) + c.eps);
  }
};

void AdamWCuda(absl::Span<const AdamWArgs> all) {
  std::vector<UpdateOf<AdamW>> rows;
  for (const AdamWArgs& a : all)
    rows.push_back(MakeRow(a.update, {a.m, a.v}, {a.m_out, a.v_out},
                           AdamW{a.lr, a.beta1, a.beta2, a.eps, a.weight_decay}));
  LaunchUpdates(rows);
}

PALIMPSEST_REGISTER_CUDA_KERNEL(adamw, AdamWCuda);

}  // namespace
}  // namespace palimpsest
