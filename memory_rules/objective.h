#ifndef MEMORY_RULES_OBJECTIVE_H_
#define MEMORY_RULES_OBJECTIVE_H_

#include "core/tensor.h"

namespace palimpsest {

// What a memory's reading y of a key should be to the value v (Behrouz et al. 2025, "It's All
// Connected", the attentional bias). Summed over rows; papers that leave out the half, or the
// exponent, have it in the step size.
enum class Objective {
  kL2,     // |y - v|^2 / 2
  kDot,    // -<y, v>
  kL1,     // sum |y - v|, smooth within 1e-3 of 0
  kLp,     // sum |y - v|^p / p  (eq. 10-11)
  kHuber,  // |y - v|^2 / 2 up to a norm of delta, from there on linear  (eq. 14, 26)
};

// y, v [batch, rows, value]; `delta` [batch, rows], for kHuber. -> []
Tensor ObjectiveLoss(Objective objective, const Tensor& y, const Tensor& v, double p,
                     const Tensor& delta);

}  // namespace palimpsest

#endif  // MEMORY_RULES_OBJECTIVE_H_
