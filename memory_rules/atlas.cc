// Atlas: the Omega rule with a momentum that is orthogonalised before it is written (Behrouz et al.
// 2025, "ATLAS", eq. 32-33, in the one reading that descends),
//   S_t = eta_t S_{t-1} - sum_{t-window < i <= t} gamma_i dLoss_i/dW at the chunk's start,
//   W_t = keep_t W_{t-1} + theta_t NS_5(S_t),   f(x) = x + W_2 s(W_1 x)
#include "memory_rules/mlp_memory.h"

namespace palimpsest {
namespace {

[[maybe_unused]] const bool registered = RegisterMemoryRule(
    "atlas",
    WithDefaults(MlpWindowParams(), {{"residual", 1}, {"window", 4}, {"newton_schulz", 5}},
                 {{"rest", "zero"}}),
    [](const RuleParams& params) {
      return std::make_unique<MlpMemory>(params, GradientEquation(params),
                                         "ATLAS (Behrouz et al. 2025), eq. 32-33, 42");
    });

}  // namespace
}  // namespace palimpsest
