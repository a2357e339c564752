#ifndef KERNELS_AM_MGD_H_
#define KERNELS_AM_MGD_H_

#include <array>

#include "absl/types/span.h"
#include "core/kernel.h"
#include "kernels/update.h"

namespace palimpsest {

// Adaptive Memory Momentum (arXiv 2510.04988), in two passes, with
// g = grad_scale grad + weight_decay param:
//   beta = clip(num / den, 0, beta_max), 0 where den is 0
//   num = (1 + lambda) sum g^2 - lambda sum (d - g)^2,  den = sum (d - g)^2
//   d = ((beta + lambda) d + (1 - beta) g) / (1 + lambda),  param = param - lr d
// At the first step d = g. The sums are over one parameter or over all of a model.
struct AmMgdArgs {
  ParamUpdate update;
  const void* d;
  void* d_out = nullptr;
  Scalar lr = 0.0;
  double weight_decay = 0.0, lambda = 0.0, beta_max = 1.0;
  const double* sums = nullptr;  // num and den, [2], where the tensors are.
};
// sums [size, 2]: num and den of each, squared and summed in f64, in an order given by the sizes
// alone; total [2]: their sum, not wanted if null.
extern Kernel<void(absl::Span<const AmMgdArgs>, double* sums, double* total)> am_mgd_sums;
// The step of each with its `sums`.
extern Kernel<void(absl::Span<const AmMgdArgs>)> am_mgd;

// The definitions: one element after another, in f64.
std::array<double, 2> AmMgdSumsReference(const AmMgdArgs& args);
void AmMgdReference(const AmMgdArgs& args);

}  // namespace palimpsest

#endif  // KERNELS_AM_MGD_H_
