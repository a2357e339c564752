#ifndef KERNELS_AM_ADAMW_H_
#define KERNELS_AM_ADAMW_H_

#include <cstdint>

#include "core/dtype.h"
#include "core/kernel.h"

namespace palimpsest {

// Adaptive Memory Momentum with AdamW's metric (AM-AdamW, arXiv 2510.04988), in two passes. With
// g = grad_scale grad:
//   v = beta2 v + (1 - beta2) g^2
//   P = correction (sqrt(v / (1 - beta2^t)) + eps),  W = 1 / (P (1 + lambda P))
// The first writes v and returns what the strength beta of the second is found by.
struct AmAdamWArgs {
  DType dtype;  // f64 or f32, of all.
  int64_t size;
  const void *param, *grad, *d, *v;  // For the second pass, v is what the first wrote.
  void *param_out, *d_out, *v_out;   // The second writes param_out and d_out, the first v_out.
  double beta2, eps, lambda, weight_decay = 0.0, grad_scale = 1.0;
  double correction;  // 1 - beta_max prod(betas of the past).
  int64_t t;          // From 1.
};
struct AmAdamWSums {
  double gap = 0.0;          // sum g (d / P + weight_decay param)
  double slope = 0.0;        // sum (d - g) (g + lambda P d) W
  double param_slope = 0.0;  // sum param (d - g)
  double curvature = 0.0;    // sum (d - g)^2 W
};
// Terms in the dtype, their sums in f64, in an order given by the size alone. v_out may be v.
extern Kernel<AmAdamWSums(const AmAdamWArgs&)> am_adamw_sums;

//   d = ((1 - beta) g + (lambda P + beta) d) / (1 + lambda P)
//   param = (1 - lr weight_decay) param - lr d / P
// An output may be its own input.
struct AmAdamWStep {
  double lr, beta;
};
extern Kernel<void(const AmAdamWArgs&, const AmAdamWStep&)> am_adamw;

// The definitions: one element after another, in f64.
AmAdamWSums AmAdamWSumsReference(const AmAdamWArgs& args);
void AmAdamWReference(const AmAdamWArgs& args, const AmAdamWStep& step);

}  // namespace palimpsest

#endif  // KERNELS_AM_ADAMW_H_
