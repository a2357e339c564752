#include "kernels/lion.h"

#include "kernels/blocks.h"

namespace palimpsest {

constinit Kernel<void(const LionArgs&)> lion("lion");

namespace {

// NaN's is NaN.
template <typename N>
N Sign(N x) {
  return Select(x > N(0.0), N(1.0), Select(x < N(0.0), N(-1.0), x));
}

template <typename T>
void Update(const LionArgs& args) {
  using N = Number<T>;
  const N grad_scale(args.grad_scale), step(args.lr), keep_param(1.0 - args.lr * args.weight_decay),
      keep_1(args.beta1), write_1(1.0 - args.beta1), keep_2(args.beta2), write_2(1.0 - args.beta2);
  MapTensors<T>(args.size, {args.param, args.grad, args.m}, {args.param_out, args.m_out},
                [=](N param, N grad, N m) {
                  const N g = grad_scale * grad;
                  return std::array{keep_param * param - step * Sign(keep_1 * m + write_1 * g),
                                    keep_2 * m + write_2 * g};
                });
}

void LionCpu(const LionArgs& args) {
  DispatchState(args.dtype, [&]<typename T>() { Update<T>(args); });
}

PALIMPSEST_REGISTER_KERNEL(lion, kCpu, LionCpu);

}  // namespace

void LionReference(const LionArgs& args) {
  DispatchState(args.dtype, [&]<typename T>() {
    for (int64_t i = 0; i < args.size; ++i) {
      const double param = ValueAt<T>(args.param, i), m = ValueAt<T>(args.m, i),
                   g = args.grad_scale * ValueAt<T>(args.grad, i);
      const double u = Sign(args.beta1 * m + (1.0 - args.beta1) * g);
      SetValue<T>(args.param_out, i, (1.0 - args.lr * args.weight_decay) * param - args.lr * u);
      SetValue<T>(args.m_out, i, args.beta2 * m + (1.0 - args.beta2) * g);
    }
  });
}

}  // namespace palimpsest
