#include "kernels/adamw.h"

#include <cmath>

#include "kernels/update_blocks.h"

namespace palimpsest {

constinit Kernel<void(absl::Span<const AdamWArgs>)> adamw("adamw");

namespace {

template <typename T, typename G>
void Update(const AdamWArgs& args) {
  using N = Number<T>;
  const double t = args.update.steps.Value(), lr = args.lr.Value();
  const N grad_scale(GradScale(args.update)), keep_m(args.beta1), write_m(1.0 - args.beta1),
      keep_v(args.beta2), write_v(1.0 - args.beta2), keep_param(1.0 - lr * args.weight_decay),
      step(lr / (1.0 - std::pow(args.beta1, t))),
      root_scale(1.0 / std::sqrt(1.0 - std::pow(args.beta2, t))), eps(args.eps);
  MapUpdate<T, G>(args.update, Inputs<2>{args.m, args.v}, Outputs<2>{args.m_out, args.v_out},
                  [=](N param, N grad, N m, N v) {
                    const N g = grad_scale * grad;
                    m = keep_m * m + write_m * g;
                    v = keep_v * v + write_v * (g * g);
                    param = keep_param * param - step * m / (root_scale * Sqrt(v) + eps);
                    return std::array{param, m, v};
                  });
}

void AdamWCpu(absl::Span<const AdamWArgs> all) {
  for (const AdamWArgs& args : all)
    DispatchUpdate(args.update.dtype, [&]<typename T, typename G>() { Update<T, G>(args); });
}

PALIMPSEST_REGISTER_KERNEL(adamw, kCpu, AdamWCpu);

}  // namespace

void AdamWReference(const AdamWArgs& args) {
  const double t = args.update.steps.Value(), lr = args.lr.Value();
  const auto step = [&](double param, double g, const auto& x) {
    const double m = args.beta1 * x[0] + (1.0 - args.beta1) * g;
    const double v = args.beta2 * x[1] + (1.0 - args.beta2) * g * g;
    const double mhat = m / (1.0 - std::pow(args.beta1, t)),
                 vhat = v / (1.0 - std::pow(args.beta2, t));
    const double kept = (1.0 - lr * args.weight_decay) * param;
    return std::array{kept - lr * mhat / (std::sqrt(vhat) + args.eps), m, v};
  };
  DispatchUpdate(args.update.dtype, [&]<typename T, typename G>() {
    MapUpdateReference<T, G>(args.update, Inputs<2>{args.m, args.v},
                             Outputs<2>{args.m_out, args.v_out}, step);
  });
}

}  // namespace palimpsest
