#include "kernels/rms_step.h"

#include <cmath>

#include "kernels/blocks.h"

namespace palimpsest {

constinit Kernel<void(const RmsStepArgs&)> rms_step("rms_step");

namespace {

double RootScale(const RmsStepArgs& args) {
  return args.corrected ? 1.0 / std::sqrt(1.0 - std::pow(args.keep_v, args.writes.Value())) : 1.0;
}

template <typename T>
void Update(const RmsStepArgs& args) {
  using N = Number<T>;
  const N keep_param(args.keep_param.Value()), step(args.step.Value()), keep_v(args.keep_v),
      write_v(args.write_v), x_scale(args.x_scale), root_scale(RootScale(args)), eps(args.eps);
  MapTensors<T>(
      args.size, {args.param, args.u, args.x, args.v}, {args.param_out, args.v_out},
      [=](N param, N u, N x, N v) {
        const N g = x_scale * x;
        v = keep_v * v + write_v * (g * g);
        return std::array{keep_param * param - step * u / (root_scale * Sqrt(v) + eps), v};
      });
}

void RmsStepCpu(const RmsStepArgs& args) {
  DispatchState(args.dtype, [&]<typename T>() { Update<T>(args); });
}

PALIMPSEST_REGISTER_KERNEL(rms_step, kCpu, RmsStepCpu);

}  // namespace

void RmsStepReference(const RmsStepArgs& args) {
  DispatchState(args.dtype, [&]<typename T>() {
    for (int64_t i = 0; i < args.size; ++i) {
      const double x = args.x_scale * ValueAt<T>(args.x, i), u = ValueAt<T>(args.u, i);
      const double v = args.keep_v * ValueAt<T>(args.v, i) + args.write_v * x * x;
      const double param = args.keep_param.Value() * ValueAt<T>(args.param, i);
      SetValue<T>(args.v_out, i, v);
      SetValue<T>(args.param_out, i,
                  param - args.step.Value() * u / (RootScale(args) * std::sqrt(v) + args.eps));
    }
  });
}

}  // namespace palimpsest
