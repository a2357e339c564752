// Titans' long-term memory (Behrouz et al. 2025, "Titans: Learning to Memorize at Test Time", eq.
// 8-17):
//   S_t = eta_t S_{t-1} - theta_t d|f(k_t; W) - v_t|^2/2 / dW at the chunk's start,
//   D_t = keep_t D_{t-1} + S_t,   W_t = W_0 + D_t
// with f an MLP of any depth. keep is the paper's 1 - alpha, and theta holds the 2 of its loss
// without the half. The paper has W for D (rest: zero). An MLP is then dead in the end: each
// layer's gradient is a multiple of the others, and forgetting brings all of them to zero.
#include "memory_rules/mlp_memory.h"

namespace palimpsest {
namespace {

[[maybe_unused]] const bool registered =
    RegisterMemoryRule("titans_mlp", MlpWindowParams(), [](const RuleParams& params) {
      return std::make_unique<MlpMemory>(params, GradientEquation(params),
                                         "Titans (Behrouz et al. 2025), eq. 8-17");
    });

}  // namespace
}  // namespace palimpsest
