#ifndef KERNELS_AM_ADAMW_H_
#define KERNELS_AM_ADAMW_H_

#include <array>

#include "absl/types/span.h"
#include "core/kernel.h"
#include "kernels/update.h"

namespace palimpsest {

// Adaptive Memory Momentum with AdamW's metric (AM-AdamW, arXiv 2510.04988), in two passes. With
// g = grad_scale grad:
//   v = beta2 v + (1 - beta2) g^2
//   P = (1 - beta_max product) (sqrt(v / (1 - beta2^t)) + eps),  W = 1 / (P (1 + lambda P))
//   num = (1 + weight_decay lr) (lr_before / lr) gap - slope - weight_decay param_slope
//   beta = clip(num / curvature, 0, beta_max), 0 where that is 0; at the first step beta_max
//   d = ((1 - beta) g + (lambda P + beta) d) / (1 + lambda P)
//   param = (1 - lr weight_decay) param - lr d / P
//   product = beta product,  lr_before = lr
struct AmAdamWArgs {
  ParamUpdate update;
  const void *d, *v;                        // For the second pass, v is what the first wrote.
  void *d_out = nullptr, *v_out = nullptr;  // The first writes v_out, the second d_out.
  // [] of the state's dtype, where the tensors are.
  const void *product, *lr_before = nullptr;
  void *product_out = nullptr, *lr_out = nullptr;
  Scalar lr = 0.0;
  double beta_max, beta2, eps, lambda, weight_decay = 0.0;
  const double* sums = nullptr;  // [4], of the first pass.
};
// Writes v of each and sums [size, 4]: terms in the state's dtype, their sums in f64, in an order
// given by the sizes alone.
//   gap = sum g (d / P + weight_decay param)
//   slope = sum (d - g) (g + lambda P d) W
//   param_slope = sum param (d - g)
//   curvature = sum (d - g)^2 W
extern Kernel<void(absl::Span<const AmAdamWArgs>, double* sums)> am_adamw_sums;
// The rest of the step of each, with its `sums`.
extern Kernel<void(absl::Span<const AmAdamWArgs>)> am_adamw;

// The definitions: one element after another, in f64.
std::array<double, 4> AmAdamWSumsReference(const AmAdamWArgs& args);
void AmAdamWReference(const AmAdamWArgs& args);

}  // namespace palimpsest

#endif  // KERNELS_AM_ADAMW_H_
