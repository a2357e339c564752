#include "kernels/lion.h"

#include "kernels/update_blocks.h"

namespace palimpsest {

constinit Kernel<void(absl::Span<const LionArgs>)> lion("lion");

namespace {

// NaN's is NaN.
template <typename N>
N Sign(N x) {
  return Select(x > N(0.0), N(1.0), Select(x < N(0.0), N(-1.0), x));
}

template <typename T, typename G>
void Update(const LionArgs& args) {
  using N = Number<T>;
  const double lr = args.lr.Value();
  const N grad_scale(GradScale(args.update)), step(lr), keep_param(1.0 - lr * args.weight_decay),
      keep_1(args.beta1), write_1(1.0 - args.beta1), keep_2(args.beta2), write_2(1.0 - args.beta2);
  MapUpdate<T, G>(args.update, Inputs<1>{args.m}, Outputs<1>{args.m_out},
                  [=](N param, N grad, N m) {
                    const N g = grad_scale * grad;
                    return std::array{keep_param * param - step * Sign(keep_1 * m + write_1 * g),
                                      keep_2 * m + write_2 * g};
                  });
}

void LionCpu(absl::Span<const LionArgs> all) {
  for (const LionArgs& args : all)
    DispatchUpdate(args.update.dtype, [&]<typename T, typename G>() { Update<T, G>(args); });
}

PALIMPSEST_REGISTER_KERNEL(lion, kCpu, LionCpu);

}  // namespace

void LionReference(const LionArgs& args) {
  const double lr = args.lr.Value();
  const auto step = [&](double param, double g, const auto& x) {
    const double u = Sign(args.beta1 * x[0] + (1.0 - args.beta1) * g);
    return std::array{(1.0 - lr * args.weight_decay) * param - lr * u,
                      args.beta2 * x[0] + (1.0 - args.beta2) * g};
  };
  DispatchUpdate(args.update.dtype, [&]<typename T, typename G>() {
    MapUpdateReference<T, G>(args.update, Inputs<1>{args.m}, Outputs<1>{args.m_out}, step);
  });
}

}  // namespace palimpsest
