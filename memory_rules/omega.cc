// The Omega rule on one matrix: a token descends the loss of a window of pairs, each weighted with
// its gate gamma (Behrouz et al. 2025, "ATLAS", eq. 8-11, the sign of 11 corrected),
//   M_t = keep_t M_{t-1} - theta_t sum_{t-window < i <= t} gamma_i (F k_i - v_i) k_i^T
// with the errors measured at F, the state at the chunk's start. A window of one pair with gamma 1
// is the delta rule (in chunks of one token).
#include "memory_rules/mlp_memory.h"

namespace palimpsest {
namespace {

[[maybe_unused]] const bool registered = RegisterMemoryRule(
    "omega",
    WithDefaults(MlpWindowParams(), {{"depth", 1}, {"window", 4}, {"momentum", 0}},
                 {{"rest", "zero"}}),
    [](const RuleParams& params) {
      return std::make_unique<MlpMemory>(params, GradientEquation(params),
                                         "ATLAS (Behrouz et al. 2025), eq. 8-11");
    });

}  // namespace
}  // namespace palimpsest
