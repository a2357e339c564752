// Memora: weights that are probabilities, kept near by the Kullback-Leibler divergence (Behrouz et
// al. 2025, "It's All Connected", eq. 27),
//   W_t = softmax(keep_t log W_{t-1} - theta_t d|f(k_t; W) - v_t|^2/2 / dW) at the chunk's start,
//   f(x) = x + LayerNorm(W_2 gelu(W_1 x))
// by rows. The state is the logarithm, up to a number a row.
#include "memory_rules/mlp_memory.h"

namespace palimpsest {
namespace {

[[maybe_unused]] const bool registered = RegisterMemoryRule(
    "memora", WithDefaults(MirasParams(), {}, {{"retention", "kl"}}), [](const RuleParams& params) {
      return std::make_unique<MlpMemory>(params, GradientEquation(params),
                                         "MIRAS (Behrouz et al. 2025), eq. 27");
    });

}  // namespace
}  // namespace palimpsest
