#include "kernels/am_mgd.h"

#include "kernels/blocks.h"

namespace palimpsest {

constinit Kernel<AmMgdSums(const AmMgdArgs&)> am_mgd_sums("am_mgd_sums");

namespace {

template <typename T>
Sums<2> SumAll(const AmMgdArgs& args) {
  using N = Number<T>;
  const N grad_scale(args.grad_scale), weight_decay(args.weight_decay);
  const bool decays = args.weight_decay != 0.0;
  return SumOfBlocks<2>(args.size, [&](int64_t begin, int64_t count) {
    const T *grad = At<T>(args.grad, begin), *d = At<T>(args.d, begin);
    const T* param = decays ? At<T>(args.param, begin) : nullptr;
    return SumBlock<T, 2>(count, [=](auto& sums, int64_t i, auto... n) {
      N g = grad_scale * Load(grad + i, n...);
      if (decays) g = g + weight_decay * Load(param + i, n...);
      const N gap = Load(d + i, n...) - g;
      sums[0].Add(g, g, n...);
      sums[1].Add(gap, gap, n...);
    });
  });
}

AmMgdSums AmMgdSumsCpu(const AmMgdArgs& args) {
  const auto [g2, gap2] = DispatchState(args.dtype, [&]<typename T>() { return SumAll<T>(args); });
  return {g2, gap2};
}

PALIMPSEST_REGISTER_KERNEL(am_mgd_sums, kCpu, AmMgdSumsCpu);

}  // namespace

AmMgdSums AmMgdSumsReference(const AmMgdArgs& args) {
  AmMgdSums sums;
  DispatchState(args.dtype, [&]<typename T>() {
    for (int64_t i = 0; i < args.size; ++i) {
      double g = args.grad_scale * ValueAt<T>(args.grad, i);
      if (args.weight_decay != 0.0) g += args.weight_decay * ValueAt<T>(args.param, i);
      const double gap = ValueAt<T>(args.d, i) - g;
      sums.g2 += g * g;
      sums.gap2 += gap * gap;
    }
  });
  return sums;
}

}  // namespace palimpsest
