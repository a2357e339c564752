#ifndef OPS_NEWTON_SCHULZ_H_
#define OPS_NEWTON_SCHULZ_H_

#include <vector>

#include "absl/types/span.h"
#include "core/tensor.h"

namespace palimpsest {

// X <- a X + b (X X^T) X + c (X X^T)^2 X: an odd quintic of the singular values.
struct QuinticStep {
  double a, b, c;
};

// Jordan et al. 2024: steep at zero. Five steps take singular values in [0.01, 1] into
// [0.68, 1.14].
std::vector<QuinticStep> JordanSteps(int steps);

// The steps on m / max(|m|, 1e-7), towards the semi-orthogonal factor of m's polar decomposition.
// m: [..., rows, columns], any orientation; |m| is the Frobenius norm of each matrix.
Tensor NewtonSchulz(const Tensor& m, absl::Span<const QuinticStep> steps);

}  // namespace palimpsest

#endif  // OPS_NEWTON_SCHULZ_H_
