#include "kernels/am_adamw.h"

#include <cmath>

#include "kernels/blocks.h"

namespace palimpsest {

constinit Kernel<AmAdamWSums(const AmAdamWArgs&)> am_adamw_sums("am_adamw_sums");
constinit Kernel<void(const AmAdamWArgs&, const AmAdamWStep&)> am_adamw("am_adamw");

namespace {

// P of v, for numbers N.
template <typename N>
auto Metric(const AmAdamWArgs& args) {
  const double root = std::sqrt(1.0 - std::pow(args.beta2, args.t));
  return [root_scale = N(args.correction / root), eps = N(args.correction * args.eps)](N v) {
    return root_scale * Sqrt(v) + eps;
  };
}

template <typename T>
Sums<4> SumAll(const AmAdamWArgs& args) {
  using N = Number<T>;
  const N keep_v(args.beta2), write_v(1.0 - args.beta2), grad_scale(args.grad_scale),
      lambda(args.lambda), weight_decay(args.weight_decay), one(1.0);
  const auto metric = Metric<N>(args);
  return SumOfBlocks<4>(args.size, [&](int64_t begin, int64_t count) {
    const T *params = At<T>(args.param, begin), *grads = At<T>(args.grad, begin),
            *ds = At<T>(args.d, begin), *vs = At<T>(args.v, begin);
    T* v_out = At<T>(args.v_out, begin);
    return SumBlock<T, 4>(count, [=](auto& sums, int64_t i, auto... n) {
      const N param = Load(params + i, n...), d = Load(ds + i, n...),
              g = grad_scale * Load(grads + i, n...);
      const N v = keep_v * Load(vs + i, n...) + write_v * (g * g);
      Store(v, v_out + i, n...);
      const N p = metric(v), pull = lambda * p, w = one / (p * (one + pull)), gap = d - g;
      const N inverse = w * (one + pull), weighted = w * gap;
      sums[0].Add(g, d * inverse + weight_decay * param, n...);
      sums[1].Add(g + pull * d, weighted, n...);
      sums[2].Add(param, gap, n...);
      sums[3].Add(gap, weighted, n...);
    });
  });
}

AmAdamWSums AmAdamWSumsCpu(const AmAdamWArgs& args) {
  const auto [gap, slope, param_slope, curvature] =
      DispatchState(args.dtype, [&]<typename T>() { return SumAll<T>(args); });
  return {gap, slope, param_slope, curvature};
}

template <typename T>
void Update(const AmAdamWArgs& args, const AmAdamWStep& step) {
  using N = Number<T>;
  const N keep_param(1.0 - step.lr * args.weight_decay), lr(step.lr), beta(step.beta),
      write(1.0 - step.beta), grad_scale(args.grad_scale), lambda(args.lambda), one(1.0);
  MapTensors<T>(args.size, {args.param, args.grad, args.d, args.v}, {args.param_out, args.d_out},
                [=, metric = Metric<N>(args)](N param, N grad, N d, N v) {
                  const N p = metric(v), pull = lambda * p;
                  d = (write * (grad_scale * grad) + (pull + beta) * d) / (one + pull);
                  return std::array{keep_param * param - lr * d / p, d};
                });
}

void AmAdamWCpu(const AmAdamWArgs& args, const AmAdamWStep& step) {
  DispatchState(args.dtype, [&]<typename T>() { Update<T>(args, step); });
}

PALIMPSEST_REGISTER_KERNEL(am_adamw_sums, kCpu, AmAdamWSumsCpu);
PALIMPSEST_REGISTER_KERNEL(am_adamw, kCpu, AmAdamWCpu);

double MetricReference(const AmAdamWArgs& args, double v) {
  return args.correction * (std::sqrt(v / (1.0 - std::pow(args.beta2, args.t))) + args.eps);
}

}  // namespace

AmAdamWSums AmAdamWSumsReference(const AmAdamWArgs& args) {
  AmAdamWSums sums;
  DispatchState(args.dtype, [&]<typename T>() {
    for (int64_t i = 0; i < args.size; ++i) {
      const double param = ValueAt<T>(args.param, i), d = ValueAt<T>(args.d, i),
                   g = args.grad_scale * ValueAt<T>(args.grad, i);
      const double v = args.beta2 * ValueAt<T>(args.v, i) + (1.0 - args.beta2) * g * g;
      const double p = MetricReference(args, v), w = 1.0 / (p * (1.0 + args.lambda * p));
      SetValue<T>(args.v_out, i, v);
      sums.gap += g * (d / p + args.weight_decay * param);
      sums.slope += (d - g) * (g + args.lambda * p * d) * w;
      sums.param_slope += param * (d - g);
      sums.curvature += (d - g) * (d - g) * w;
    }
  });
  return sums;
}

void AmAdamWReference(const AmAdamWArgs& args, const AmAdamWStep& step) {
  DispatchState(args.dtype, [&]<typename T>() {
    for (int64_t i = 0; i < args.size; ++i) {
      const double g = args.grad_scale * ValueAt<T>(args.grad, i);
      const double p = MetricReference(args, ValueAt<T>(args.v, i)), pull = args.lambda * p;
      const double d =
          ((1.0 - step.beta) * g + (pull + step.beta) * ValueAt<T>(args.d, i)) / (1.0 + pull);
      const double kept = (1.0 - step.lr * args.weight_decay) * ValueAt<T>(args.param, i);
      SetValue<T>(args.d_out, i, d);
      SetValue<T>(args.param_out, i, kept - step.lr * d / p);
    }
  });
}

}  // namespace palimpsest
