#ifndef MEMORY_RULES_RETENTION_H_
#define MEMORY_RULES_RETENTION_H_

#include "core/tensor.h"

namespace palimpsest {

// How a memory stays near what it was (Behrouz et al. 2025, "It's All Connected", the retention
// gate): gradient steps and forgetting act on an accumulator A, and the weights are a map of it.
enum class Retention {
  kL2,       // W = A
  kLq,       // W = A / |A|_q^(q-2), the norm of each matrix  (eq. 24-25)
  kKl,       // W = softmax of A's rows, A the logarithm of W  (eq. 19-21, 27)
  kElastic,  // W = sign(A) max(|A| - threshold, 0)  (eq. 22-23)
  kSigmoid,  // W = 1 / (1 + e^-A), a Bregman divergence
};

// a [batch, out, in], or more axes before the last two.
Tensor Retained(Retention retention, const Tensor& a, double q, double threshold);

}  // namespace palimpsest

#endif  // MEMORY_RULES_RETENTION_H_
