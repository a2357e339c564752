#include "kernels/sgd.h"

#include "kernels/update_blocks.h"

namespace palimpsest {

constinit Kernel<void(absl::Span<const SgdArgs>)> sgd("sgd");

namespace {

double WriteOf(const SgdArgs& args) {
  return args.update.steps.Value() == 1.0 ? args.first_write : args.write;
}

template <typename T, typename G>
void Update(const SgdArgs& args) {
  using N = Number<T>;
  const N lr(args.lr.Value()), keep(args.keep), write(WriteOf(args)),
      weight_decay(args.weight_decay), grad_scale(GradScale(args.update));
  const auto gradient = [=](N param, N grad) { return grad_scale * grad + weight_decay * param; };
  const auto momentum = [&](auto read) {
    MapUpdate<T, G>(args.update, Inputs<1>{args.m}, Outputs<1>{args.m_out},
                    [=](N param, N grad, N m) {
                      const N g = gradient(param, grad);
                      m = keep * m + write * g;
                      return std::array{param - lr * read(m, g), m};
                    });
  };
  if (args.m == nullptr) {
    MapUpdate<T, G>(args.update, Inputs<0>{}, Outputs<0>{}, [=](N param, N grad) {
      return std::array{param - lr * gradient(param, grad)};
    });
  } else if (args.lookahead) {
    momentum([=](N m, N g) { return keep * m + write * g; });
  } else {
    momentum([](N m, N) { return m; });
  }
}

void SgdCpu(absl::Span<const SgdArgs> all) {
  for (const SgdArgs& args : all)
    DispatchUpdate(args.update.dtype, [&]<typename T, typename G>() { Update<T, G>(args); });
}

PALIMPSEST_REGISTER_KERNEL(sgd, kCpu, SgdCpu);

}  // namespace

void SgdReference(const SgdArgs& args) {
  const double lr = args.lr.Value(), keep = args.keep, write = WriteOf(args);
  DispatchUpdate(args.update.dtype, [&]<typename T, typename G>() {
    if (args.m == nullptr) {
      MapUpdateReference<T, G>(args.update, Inputs<0>{}, Outputs<0>{},
                               [&](double param, double g, const auto&) {
                                 g += args.weight_decay * param;
                                 return std::array{param - lr * g};
                               });
      return;
    }
    MapUpdateReference<T, G>(args.update, Inputs<1>{args.m}, Outputs<1>{args.m_out},
                             [&](double param, double g, const auto& x) {
                               g += args.weight_decay * param;
                               const double m = keep * x[0] + write * g;
                               const double u = args.lookahead ? keep * m + write * g : m;
                               return std::array{param - lr * u, m};
                             });
  });
}

}  // namespace palimpsest
