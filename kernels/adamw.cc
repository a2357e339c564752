#include "kernels/adamw.h"

#include <cmath>

#include "kernels/blocks.h"

namespace palimpsest {

constinit Kernel<void(const AdamWArgs&)> adamw("adamw");

namespace {

template <typename T>
void Update(const AdamWArgs& args) {
  using N = Number<T>;
  const N grad_scale(args.grad_scale), keep_m(args.beta1), write_m(1.0 - args.beta1),
      keep_v(args.beta2), write_v(1.0 - args.beta2), keep_param(1.0 - args.lr * args.weight_decay),
      step(args.lr / (1.0 - std::pow(args.beta1, args.t))),
      root_scale(1.0 / std::sqrt(1.0 - std::pow(args.beta2, args.t))), eps(args.eps);
  MapTensors<T>(args.size, {args.param, args.grad, args.m, args.v},
                {args.param_out, args.m_out, args.v_out}, [=](N param, N grad, N m, N v) {
                  const N g = grad_scale * grad;
                  m = keep_m * m + write_m * g;
                  v = keep_v * v + write_v * (g * g);
                  param = keep_param * param - step * m / (root_scale * Sqrt(v) + eps);
                  return std::array{param, m, v};
                });
}

void AdamWCpu(const AdamWArgs& args) {
  DispatchState(args.dtype, [&]<typename T>() { Update<T>(args); });
}

PALIMPSEST_REGISTER_KERNEL(adamw, kCpu, AdamWCpu);

}  // namespace

void AdamWReference(const AdamWArgs& args) {
  DispatchState(args.dtype, [&]<typename T>() {
    for (int64_t i = 0; i < args.size; ++i) {
      const double g = args.grad_scale * ValueAt<T>(args.grad, i);
      const double m = args.beta1 * ValueAt<T>(args.m, i) + (1.0 - args.beta1) * g;
      const double v = args.beta2 * ValueAt<T>(args.v, i) + (1.0 - args.beta2) * g * g;
      const double mhat = m / (1.0 - std::pow(args.beta1, args.t)),
                   vhat = v / (1.0 - std::pow(args.beta2, args.t));
      const double kept = (1.0 - args.lr * args.weight_decay) * ValueAt<T>(args.param, i);
      SetValue<T>(args.param_out, i, kept - args.lr * mhat / (std::sqrt(vhat) + args.eps));
      SetValue<T>(args.m_out, i, m);
      SetValue<T>(args.v_out, i, v);
    }
  });
}

}  // namespace palimpsest
