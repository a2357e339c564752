#include "kernels/am_adamw.h"

#include <algorithm>
#include <cmath>

#include "kernels/update_blocks.h"

namespace palimpsest {

constinit Kernel<void(absl::Span<const AmAdamWArgs>, double*)> am_adamw_sums("am_adamw_sums");
constinit Kernel<void(absl::Span<const AmAdamWArgs>)> am_adamw("am_adamw");

namespace {

// What a P is made of, and beta: numbers of the parameter.
template <typename T>
double Correction(const AmAdamWArgs& args) {
  return 1.0 - args.beta_max * ValueAt<T>(args.product, 0);
}

double Root(const AmAdamWArgs& args) {
  return std::sqrt(1.0 - std::pow(args.beta2, args.update.steps.Value()));
}

template <typename T>
double Beta(const AmAdamWArgs& args) {
  if (args.update.steps.Value() == 1.0) return args.beta_max;
  const double lr = args.lr.Value(), decay = args.weight_decay,
               lr_before = ValueAt<T>(args.lr_before, 0);
  const double gap = lr > 0.0 ? (1.0 + decay * lr) * (lr_before / lr) * args.sums[0] : 0.0;
  const double num = gap - args.sums[1] - decay * args.sums[2], den = args.sums[3];
  return den > 0.0 ? std::clamp(num / den, 0.0, args.beta_max) : 0.0;
}

// What the next step is to know of this one.
template <typename T>
void Remember(const AmAdamWArgs& args, double beta) {
  const double product = ValueAt<T>(args.product, 0);
  const bool skips = Skips(args.update);
  SetValue<T>(args.product_out, 0, skips ? product : product * beta);
  SetValue<T>(args.lr_out, 0, skips ? ValueAt<T>(args.lr_before, 0) : args.lr.Value());
}

// P of v, for numbers N.
template <typename T>
auto Metric(const AmAdamWArgs& args) {
  using N = Number<T>;
  const double correction = Correction<T>(args);
  return [root_scale = N(correction / Root(args)), eps = N(correction * args.eps)](N v) {
    return root_scale * Sqrt(v) + eps;
  };
}

template <typename T, typename G>
Sums<4> SumAll(const AmAdamWArgs& args) {
  using N = Number<T>;
  const ParamUpdate& u = args.update;
  const bool skips = Skips(u);
  const N keep_v(args.beta2), write_v(1.0 - args.beta2), grad_scale(GradScale(u)),
      lambda(args.lambda), weight_decay(args.weight_decay), one(1.0);
  const auto metric = Metric<T>(args);
  return SumOfBlocks<4>(u.size, [&](int64_t begin, int64_t count) {
    const T *params = At<T>(u.param, begin), *ds = At<T>(args.d, begin), *vs = At<T>(args.v, begin);
    const G* grads = At<G>(u.grad, begin);
    T* v_out = At<T>(args.v_out, begin);
    return SumBlock<T, 4>(count, [=](auto& sums, int64_t i, auto... n) {
      const N param = Load(params + i, n...), d = Load(ds + i, n...), before = Load(vs + i, n...),
              g = grad_scale * Load(grads + i, n...);
      const N v = skips ? before : keep_v * before + write_v * (g * g);
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

void AmAdamWSumsCpu(absl::Span<const AmAdamWArgs> all, double* sums) {
  for (const AmAdamWArgs& args : all) {
    const Sums<4> own = DispatchUpdate(
        args.update.dtype, [&]<typename T, typename G>() { return SumAll<T, G>(args); });
    sums = std::copy(own.begin(), own.end(), sums);
  }
}

template <typename T, typename G>
void Update(const AmAdamWArgs& args) {
  using N = Number<T>;
  const double beta_now = Beta<T>(args), rate = args.lr.Value();
  const N keep_param(1.0 - rate * args.weight_decay), lr(rate), beta(beta_now),
      write(1.0 - beta_now), grad_scale(GradScale(args.update)), lambda(args.lambda), one(1.0);
  MapUpdate<T, G>(args.update, Inputs<2>{args.d, args.v}, Outputs<1>{args.d_out},
                  [=, metric = Metric<T>(args)](N param, N grad, N d, N v) {
                    const N p = metric(v), pull = lambda * p;
                    d = (write * (grad_scale * grad) + (pull + beta) * d) / (one + pull);
                    return std::array{keep_param * param - lr * d / p, d};
                  });
  Remember<T>(args, beta_now);
}

void AmAdamWCpu(absl::Span<const AmAdamWArgs> all) {
  for (const AmAdamWArgs& args : all)
    DispatchUpdate(args.update.dtype, [&]<typename T, typename G>() { Update<T, G>(args); });
}

PALIMPSEST_REGISTER_KERNEL(am_adamw_sums, kCpu, AmAdamWSumsCpu);
PALIMPSEST_REGISTER_KERNEL(am_adamw, kCpu, AmAdamWCpu);

template <typename T>
double MetricReference(const AmAdamWArgs& args, double v) {
  return Correction<T>(args) * (std::sqrt(v) / Root(args) + args.eps);
}

}  // namespace

std::array<double, 4> AmAdamWSumsReference(const AmAdamWArgs& args) {
  const ParamUpdate& u = args.update;
  std::array<double, 4> sums = {};
  DispatchUpdate(u.dtype, [&]<typename T, typename G>() {
    for (int64_t i = 0; i < u.size; ++i) {
      const double param = ValueAt<T>(u.param, i), d = ValueAt<T>(args.d, i),
                   before = ValueAt<T>(args.v, i), g = GradScale(u) * ValueAt<G>(u.grad, i);
      const double v = Skips(u) ? before : args.beta2 * before + (1.0 - args.beta2) * g * g;
      const double p = MetricReference<T>(args, v), w = 1.0 / (p * (1.0 + args.lambda * p));
      SetValue<T>(args.v_out, i, v);
      sums[0] += g * (d / p + args.weight_decay * param);
      sums[1] += (d - g) * (g + args.lambda * p * d) * w;
      sums[2] += param * (d - g);
      sums[3] += (d - g) * (d - g) * w;
    }
  });
  return sums;
}

void AmAdamWReference(const AmAdamWArgs& args) {
  DispatchUpdate(args.update.dtype, [&]<typename T, typename G>() {
    const double beta = Beta<T>(args), lr = args.lr.Value();
    MapUpdateReference<T, G>(
        args.update, Inputs<2>{args.d, args.v}, Outputs<1>{args.d_out},
        [&](double param, double g, const auto& x) {
          const double p = MetricReference<T>(args, x[1]), pull = args.lambda * p;
          const double d = ((1.0 - beta) * g + (pull + beta) * x[0]) / (1.0 + pull);
          return std::array{(1.0 - lr * args.weight_decay) * param - lr * d / p, d};
        });
    Remember<T>(args, beta);
  });
}

}  // namespace palimpsest
