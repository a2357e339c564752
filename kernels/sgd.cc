#include "kernels/sgd.h"

#include "kernels/blocks.h"

namespace palimpsest {

constinit Kernel<void(const SgdArgs&)> sgd("sgd");

namespace {

template <typename T>
void Update(const SgdArgs& args) {
  using N = Number<T>;
  const N lr(args.lr), keep(args.keep), write(args.write), weight_decay(args.weight_decay),
      grad_scale(args.grad_scale);
  const auto gradient = [=](N param, N grad) { return grad_scale * grad + weight_decay * param; };
  const auto momentum = [&](auto read) {
    MapTensors<T>(args.size, {args.param, args.grad, args.m}, {args.param_out, args.m_out},
                  [=](N param, N grad, N m) {
                    const N g = gradient(param, grad);
                    m = keep * m + write * g;
                    return std::array{param - lr * read(m, g), m};
                  });
  };
  if (args.m == nullptr) {
    MapTensors<T>(args.size, {args.param, args.grad}, {args.param_out},
                  [=](N param, N grad) { return std::array{param - lr * gradient(param, grad)}; });
  } else if (args.lookahead) {
    momentum([=](N m, N g) { return keep * m + write * g; });
  } else {
    momentum([](N m, N) { return m; });
  }
}

void SgdCpu(const SgdArgs& args) {
  DispatchState(args.dtype, [&]<typename T>() { Update<T>(args); });
}

PALIMPSEST_REGISTER_KERNEL(sgd, kCpu, SgdCpu);

}  // namespace

void SgdReference(const SgdArgs& args) {
  DispatchState(args.dtype, [&]<typename T>() {
    for (int64_t i = 0; i < args.size; ++i) {
      const double param = ValueAt<T>(args.param, i);
      const double g = args.grad_scale * ValueAt<T>(args.grad, i) + args.weight_decay * param;
      double u = g;
      if (args.m != nullptr) {
        const double m = args.keep * ValueAt<T>(args.m, i) + args.write * g;
        u = args.lookahead ? args.keep * m + args.write * g : m;
        SetValue<T>(args.m_out, i, m);
      }
      SetValue<T>(args.param_out, i, param - args.lr * u);
    }
  });
}

}  // namespace palimpsest
