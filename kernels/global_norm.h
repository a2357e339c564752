#ifndef KERNELS_GLOBAL_NORM_H_
#define KERNELS_GLOBAL_NORM_H_

#include <cstdint>

#include "core/kernel.h"

namespace palimpsest {

// The norm of all gradients, and what it says of their step, where they are. All are f64 [].
//   norm = sqrt(sum_i squares_i), one after another
//   scale = min(1, max_norm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_; 1 if max_norm is 0
// Where the norm is not finite, nor `loss`, or a step has failed before, scale is NaN and
//   skipped = skipped + 1,  failed = failed + 1
struct GlobalNormArgs {
  int64_t count;
  const double* squares;  // [count]
  double max_norm;
  double *norm, *scale;
  const double* skipped = nullptr;  // nullptr: not counted.
  double* skipped_out = nullptr;    // May be its own input.
  const double* loss = nullptr;     // nullptr: not looked at.
  const double* failed = nullptr;   // nullptr: a step that fails does not stop those after it.
  double* failed_out = nullptr;     // May be its own input.
};
extern Kernel<void(const GlobalNormArgs&)> global_norm;

}  // namespace palimpsest

#endif  // KERNELS_GLOBAL_NORM_H_
