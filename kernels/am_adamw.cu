#include "kernels/am_adamw.h"
#include "kernels/update_launch.h"

namespace palimpsest {
namespace {

// What both passes know; state d, v.
struct AmAdamWSums {
  static constexpr int kState = 2, kSums = 4;
  double beta_max, beta2, eps, lambda, weight_decay;
  const void* product;

  template <typename N>
  struct Constants {
    N grad_scale, keep_v, write_v, root_scale, eps, lambda, weight_decay;

    __device__ N Metric(N v) const { return root_scale * sqrt(v) + eps; }
  };
  template <typename N>
  __device__ Constants<N> Prepare(const device::Now& now) const {
    const double correction = 1.0 - beta_max * *static_cast<const N*>(product);
    return {.grad_scale = N(now.grad_scale),
            .keep_v = N(beta2),
            .write_v = N(1.0 - beta2),
            .root_scale = N(correction / sqrt(1.0 - pow(beta2, now.steps))),
            .eps = N(correction * eps),
            .lambda = N(lambda),
            .weight_decay = N(weight_decay)};
  }

  template <typename N>
  __device__ static void Add(const Constants<N>& c, N param, N grad, N (&state)[2], bool skips,
                             double (&sums)[4]) {
    auto& [d, v] = state;
    const N g = c.grad_scale * grad;
    if (!skips) v = c.keep_v * v + c.write_v * (g * g);
    const N p = c.Metric(v), pull = c.lambda * p, w = N(1) / (p * (N(1) + pull)), gap = d - g;
    const N inverse = w * (N(1) + pull), weighted = w * gap;
    const auto add = [](double& sum, N a, N b) { sum += static_cast<double>(a) * b; };
    add(sums[0], g, d * inverse + c.weight_decay * param);
    add(sums[1], g + pull * d, weighted);
    add(sums[2], param, gap);
    add(sums[3], gap, weighted);
  }
  __device__ void Result(const double (&sums)[4], double* to) const {
    for (int k = 0; k < 4; ++k) to[k] = sums[k];
  }
};

struct AmAdamW {
  static constexpr int kState = 2;
  AmAdamWSums shared;
  Scalar lr;
  const double* sums;
  const void* lr_before;
  void *product_out, *lr_out;

  template <typename N>
  struct Constants {
    AmAdamWSums::Constants<N> shared;
    N keep_param, lr, beta, write;
    double beta_now;
  };
  template <typename N>
  __device__ Constants<N> Prepare(const device::Now& now) const {
    const double rate = device::ValueOf(lr);
    const double beta =
        now.steps == 1.0 ? shared.beta_max : Beta(rate, *static_cast<const N*>(lr_before));
    return {.shared = shared.Prepare<N>(now),
            .keep_param = N(1.0 - rate * shared.weight_decay),
            .lr = N(rate),
            .beta = N(beta),
            .write = N(1.0 - beta),
            .beta_now = beta};
  }
  __device__ double Beta(double rate, double before) const {
    const double decay = shared.weight_decay;
    const double gap = rate > 0.0 ? (1.0 + decay * rate) * (before / rate) * sums[0] : 0.0;
    const double num = gap - sums[1] - decay * sums[2], den = sums[3];
    return den > 0.0 ? fmin(fmax(num / den, 0.0), shared.beta_max) : 0.0;
  }

  template <typename N>
  __device__ static void Apply(const Constants<N>& c, N& param, N grad, N (&state)[2]) {
    auto& [d, v] = state;
    const N p = c.shared.Metric(v), pull = c.shared.lambda * p;
    d = (c.write * (c.shared.grad_scale * grad) + (pull + c.beta) * d) / (N(1) + pull);
    param = c.keep_param * param - c.lr * d / p;
  }

  // What the next step is to know of this one.
  template <typename N>
  __device__ void Finish(const Constants<N>& c, const device::Now& now) const {
    const N product = *static_cast<const N*>(shared.product),
            before = *static_cast<const N*>(lr_before);
    *static_cast<N*>(product_out) = now.skips ? product : N(product * c.beta_now);
    *static_cast<N*>(lr_out) = now.skips ? before : c.lr;
  }
};

AmAdamWSums SharedBy(const AmAdamWArgs& a) {
  return {a.beta_max, a.beta2, a.eps, a.lambda, a.weight_decay, a.product};
}

void AmAdamWSumsCuda(absl::Span<const AmAdamWArgs> all, double* sums) {
  std::vector<UpdateOf<AmAdamWSums>> rows;
  for (const AmAdamWArgs& a : all) {
    ParamUpdate update = a.update;  // Only read.
    update.param_out = update.low_out = nullptr;
    rows.push_back(MakeRow(update, {a.d, a.v}, {nullptr, a.v_out}, SharedBy(a)));
    rows.back().row.tensors.sums = sums + 4 * (rows.size() - 1);
  }
  LaunchSums(rows);
}

void AmAdamWCuda(absl::Span<const AmAdamWArgs> all) {
  std::vector<UpdateOf<AmAdamW>> rows;
  for (const AmAdamWArgs& a : all)
    rows.push_back(
        MakeRow(a.update, {a.d, a.v}, {a.d_out, nullptr},
                AmAdamW{SharedBy(a), a.lr, a.sums, a.lr_before, a.product_out, a.lr_out}));
  LaunchUpdates(rows);
}

PALIMPSEST_REGISTER_CUDA_KERNEL(am_adamw_sums, AmAdamWSumsCuda);
PALIMPSEST_REGISTER_CUDA_KERNEL(am_adamw, AmAdamWCuda);

}  // namespace
}  // namespace palimpsest
