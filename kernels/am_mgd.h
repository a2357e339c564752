#ifndef KERNELS_AM_MGD_H_
#define KERNELS_AM_MGD_H_

#include <cstdint>

#include "core/dtype.h"
#include "core/kernel.h"

namespace palimpsest {

// What Adaptive Memory Momentum (arXiv 2510.04988) has to know of a gradient and its memory d, with
// g = grad_scale grad + weight_decay param:
//   g^2 = sum_i g_i^2,  gap^2 = sum_i (d_i - g_i)^2
// Then beta = clip((1 + lambda) g^2 / gap^2 - lambda, 0, beta_max), with sums over one parameter or
// over all of a model, and sgd steps with keep = (beta + lambda) / (1 + lambda), write = 1 - keep.
struct AmMgdArgs {
  DType dtype;  // f64 or f32, of all.
  int64_t size;
  const void *param, *grad, *d;  // param is read only if there is decay.
  double weight_decay = 0.0, grad_scale = 1.0;
};
struct AmMgdSums {
  double g2 = 0.0, gap2 = 0.0;
};
// Squared and summed in f64, in an order given by the size alone.
extern Kernel<AmMgdSums(const AmMgdArgs&)> am_mgd_sums;

// The definition: one element after another, in f64.
AmMgdSums AmMgdSumsReference(const AmMgdArgs& args);

}  // namespace palimpsest

#endif  // KERNELS_AM_MGD_H_
