// Yaad: Huber's objective, which an outlier moves by no more than delta_t (Behrouz et al. 2025,
// "It's All Connected", eq. 26),
//   W_t = keep_t W_{t-1} - theta_t psi_t dF/dW at the chunk's start,   psi = e if |e| <= delta_t,
//   else delta_t e / |e|,   e = f(k_t) - v_t,   f(x) = x + LayerNorm(W_2 gelu(W_1 x))
// with the norm of the whole error.
#include "memory_rules/mlp_memory.h"

namespace palimpsest {
namespace {

[[maybe_unused]] const bool registered =
    RegisterMemoryRule("yaad", WithDefaults(MirasParams(), {}, {{"objective", "huber"}}),
                       [](const RuleParams& params) {
                         return std::make_unique<MlpMemory>(params, GradientEquation(params),
                                                            "MIRAS (Behrouz et al. 2025), eq. 26");
                       });

}  // namespace
}  // namespace palimpsest
