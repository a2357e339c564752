#ifndef OPS_NEWTON_SCHULZ_H_
#define OPS_NEWTON_SCHULZ_H_

#include <vector>

#include "absl/types/span.h"
#include "core/tensor.h"
#include "kernels/newton_schulz.h"

namespace palimpsest {

// Published quintics, first step first; the last of a table is repeated.
enum class NewtonSchulzTable {
  kJordan,         // Jordan et al. 2024: one step, steep at zero.
  kPolarExpress,   // Amsel et al. 2025, each step optimal for the range the one before leaves.
  kDion,           // Ahn et al. 2025: five steps of its code.
  kModdedNanogpt,  // Five steps of the speed runs.
};

// The first `steps` of a table for singular values in [0, 1]. Margins of safety that tables are
// published with are in the steps: what the norm is multiplied by, and what divides a singular
// value before each of Polar Express' polynomials but the last.
std::vector<QuinticStep> NewtonSchulzSteps(NewtonSchulzTable table, int steps);
inline std::vector<QuinticStep> JordanSteps(int steps) {
  return NewtonSchulzSteps(NewtonSchulzTable::kJordan, steps);
}

// Where the steps take singular values, exactly. Five of the tables:
//               from [0.001, 1]   [0.01, 1]       [0.1, 1]
//   Jordan          0.471, 1.202    0.682, 1.134    0.682, 1.134
//   Polar Express   0.840, 1.124    0.870, 1.124    0.870, 1.124
//   Dion            0.475, 1.145    0.978, 1.032    0.978, 1.032
//   modded-nanogpt  0.847, 1.141    0.859, 1.141    0.859, 1.141
struct SingularRange {
  double low, high;
};
SingularRange MapRange(absl::Span<const QuinticStep> steps, SingularRange range);

// The steps on m / max(|m|, 1e-7), towards the semi-orthogonal factor of m's polar decomposition.
// m: [..., rows, columns], any orientation; |m| is the Frobenius norm of each matrix. f32 is within
// some 1e-5 of the steps in f64; bf16, in which Muon is published, within some 1e-2.
Tensor NewtonSchulz(const Tensor& m, absl::Span<const QuinticStep> steps);

}  // namespace palimpsest

#endif  // OPS_NEWTON_SCHULZ_H_
