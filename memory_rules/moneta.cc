// Moneta: the L_p objective and the L_q retention (Behrouz et al. 2025, "It's All Connected", eq.
// 24-25, (p, q) = (3, 4)),
//   A_t = keep_t A_{t-1} - theta_t d|f(k_t; W) - v_t|_p^p/p / dW at the chunk's start,
//   W_t = A_t / |A_t|_q^(q-2),   f(x) = x + LayerNorm(W_2 gelu(W_1 x))
// with the norm of each matrix; the paper does not say of which part it is.
#include "memory_rules/mlp_memory.h"

namespace palimpsest {
namespace {

[[maybe_unused]] const bool registered = RegisterMemoryRule(
    "moneta", WithDefaults(MirasParams(), {}, {{"objective", "lp"}, {"retention", "lq"}}),
    [](const RuleParams& params) {
      return std::make_unique<MlpMemory>(params, GradientEquation(params),
                                         "MIRAS (Behrouz et al. 2025), eq. 24-25");
    });

}  // namespace
}  // namespace palimpsest
