#include "kernels/lion.h"
#include "kernels/update_launch.h"

namespace palimpsest {
namespace {

struct Lion {
  static constexpr int kState = 1;
  Scalar lr;
  double beta1, beta2, weight_decay;

  template <typename N>
  struct Constants {
    N grad_scale, step, keep_param, keep_1, write_1, keep_2, write_2;
  };

  template <typename N>
  __device__ Constants<N> Prepare(const device::Now& now) const {
    const double rate = device::ValueOf(lr);
    return {.grad_scale = N(now.grad_scale),
            .step = N(rate),
            .keep_param = N(1.0 - rate * weight_decay),
            .keep_1 = N(beta1),
            .write_1 = N(1.0 - beta1),
            .keep_2 = N(beta2),
            .write_2 = N(1.0 - beta2)};
  }

  template <typename N>
  __device__ static void Apply(const Constants<N>& c, N& param, N grad, N (&state)[1]) {
    N& m = state[0];
    const N g = c.grad_scale * grad, u = c.keep_1 * m + c.write_1 * g;
    const N sign = u > N(0) ? N(1) : u < N(0) ? N(-1) : u;  // NaN's is NaN.
    param = c.keep_param * param - c.step * sign;
    m = c.keep_2 * m + c.write_2 * g;
  }
};

void LionCuda(absl::Span<const LionArgs> all) {
  std::vector<UpdateOf<Lion>> rows;
  for (const LionArgs& a : all)
    rows.push_back(
        MakeRow(a.update, {a.m}, {a.m_out}, Lion{a.lr, a.beta1, a.beta2, a.weight_decay}));
  LaunchUpdates(rows);
}

PALIMPSEST_REGISTER_CUDA_KERNEL(lion, LionCuda);

}  // namespace
}  // namespace palimpsest
