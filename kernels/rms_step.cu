#include "kernels/rms_step.h"
#include "kernels/update_launch.h"

namespace palimpsest {
namespace {

// u stands for the gradient, x for a state that is only read.
struct RmsStep {
  static constexpr int kState = 2;
  Scalar keep_param, step, writes;
  double keep_v, write_v, x_scale, eps;
  bool corrected;

  template <typename N>
  struct Constants {
    N keep_param, step, keep_v, write_v, x_scale, root_scale, eps;
  };

  template <typename N>
  __device__ Constants<N> Prepare(const device::Now&) const {
    const double root_scale =
        corrected ? 1.0 / sqrt(1.0 - pow(keep_v, device::ValueOf(writes))) : 1.0;
    return {N(device::ValueOf(keep_param)),
            N(device::ValueOf(step)),
            N(keep_v),
            N(write_v),
            N(x_scale),
            N(root_scale),
            N(eps)};
  }

  template <typename N>
  __device__ static void Apply(const Constants<N>& c, N& param, N u, N (&state)[2]) {
    auto& [v, x] = state;
    const N g = c.x_scale * x;
    v = c.keep_v * v + c.write_v * (g * g);
    param = c.keep_param * param - c.step * u / (c.root_scale * sqrt(v) + c.eps);
  }
};

void RmsStepCuda(const RmsStepArgs& a) {
  const ParamUpdate update{
      .dtype = a.dtype, .size = a.size, .param = a.param, .grad = a.u, .param_out = a.param_out};
  const RmsStep rule{a.keep_param, a.step,    a.writes, a.keep_v,
                     a.write_v,    a.x_scale, a.eps,    a.corrected};
  LaunchUpdates<RmsStep>({MakeRow(update, {a.v, a.x}, {a.v_out, nullptr}, rule)});
}

PALIMPSEST_REGISTER_CUDA_KERNEL(rms_step, RmsStepCuda);

}  // namespace
}  // namespace palimpsest
