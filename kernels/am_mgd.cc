#include "kernels/am_mgd.h"

#include <algorithm>

#include "kernels/sgd.h"
#include "kernels/update_blocks.h"

namespace palimpsest {

constinit Kernel<void(absl::Span<const AmMgdArgs>, double*, double*)> am_mgd_sums("am_mgd_sums");
constinit Kernel<void(absl::Span<const AmMgdArgs>)> am_mgd("am_mgd");

namespace {

std::array<double, 2> NumAndDen(const AmMgdArgs& args, double g2, double gap2) {
  return {(1.0 + args.lambda) * g2 - args.lambda * gap2, gap2};
}

template <typename T, typename G>
Sums<2> SumAll(const AmMgdArgs& args) {
  using N = Number<T>;
  const ParamUpdate& u = args.update;
  const N grad_scale(GradScale(u)), weight_decay(args.weight_decay);
  const bool decays = args.weight_decay != 0.0;
  return SumOfBlocks<2>(u.size, [&](int64_t begin, int64_t count) {
    const G* grad = At<G>(u.grad, begin);
    const T *d = At<T>(args.d, begin), *param = decays ? At<T>(u.param, begin) : nullptr;
    return SumBlock<T, 2>(count, [=](auto& sums, int64_t i, auto... n) {
      N g = grad_scale * Load(grad + i, n...);
      if (decays) g = g + weight_decay * Load(param + i, n...);
      const N gap = Load(d + i, n...) - g;
      sums[0].Add(g, g, n...);
      sums[1].Add(gap, gap, n...);
    });
  });
}

void AmMgdSumsCpu(absl::Span<const AmMgdArgs> all, double* sums, double* total) {
  for (size_t i = 0; i < all.size(); ++i) {
    const auto [g2, gap2] = DispatchUpdate(
        all[i].update.dtype, [&]<typename T, typename G>() { return SumAll<T, G>(all[i]); });
    const std::array<double, 2> own = NumAndDen(all[i], g2, gap2);
    for (int k = 0; k < 2; ++k) {
      sums[2 * i + k] = own[k];
      if (total != nullptr) total[k] = i == 0 ? own[k] : total[k] + own[k];
    }
  }
}

// A step of gradient descent whose memory keeps what the sums say.
SgdArgs StepOf(const AmMgdArgs& args) {
  const bool first = args.update.steps.Value() == 1.0;
  const double num = args.sums[0], den = args.sums[1], lambda = args.lambda;
  const double beta = den > 0.0 ? std::clamp(num / den, 0.0, args.beta_max) : 0.0;
  return {.update = args.update,
          .m = args.d,
          .m_out = args.d_out,
          .lr = args.lr,
          .keep = first ? 0.0 : (beta + lambda) / (1.0 + lambda),
          .write = (1.0 - beta) / (1.0 + lambda),
          .weight_decay = args.weight_decay};
}

void AmMgdCpu(absl::Span<const AmMgdArgs> all) {
  for (const AmMgdArgs& args : all) sgd(Device::kCpu, {StepOf(args)});
}

PALIMPSEST_REGISTER_KERNEL(am_mgd_sums, kCpu, AmMgdSumsCpu);
PALIMPSEST_REGISTER_KERNEL(am_mgd, kCpu, AmMgdCpu);

}  // namespace

std::array<double, 2> AmMgdSumsReference(const AmMgdArgs& args) {
  const ParamUpdate& u = args.update;
  double g2 = 0.0, gap2 = 0.0;
  DispatchUpdate(u.dtype, [&]<typename T, typename G>() {
    for (int64_t i = 0; i < u.size; ++i) {
      double g = GradScale(u) * ValueAt<G>(u.grad, i);
      if (args.weight_decay != 0.0) g += args.weight_decay * ValueAt<T>(u.param, i);
      const double gap = ValueAt<T>(args.d, i) - g;
      g2 += g * g;
      gap2 += gap * gap;
    }
  });
  return NumAndDen(args, g2, gap2);
}

void AmMgdReference(const AmMgdArgs& args) { SgdReference(StepOf(args)); }

}  // namespace palimpsest
