#ifndef OPTIM_ADAPTIVE_LEVEL_H_
#define OPTIM_ADAPTIVE_LEVEL_H_

#include <memory>
#include <string>

#include "optim/level.h"

namespace palimpsest {

// Adaptive memory momentum (Topollai & Choromanska 2026): how much of the memory d is kept is the
// solution of a model with two planes, one through the gradient and one through d:
//   beta = clip(num / den, 0, keep),  d <- ((beta + lambda) d + (1 - beta) g) / (1 + lambda)
//   num = (1 + lambda) <g, d> - <d - g, g + lambda d>,  den = |d - g|^2
// so that d keeps |g|^2 / |d - g|^2 of itself, clipped. The first step makes d the gradient. A
// memory by the Hebbian rule. Hyper-parameters "lambda" and `keep`, the most beta may be. The sums
// num and den are over all parameters unless `per_tensor`.
std::unique_ptr<Level> AdaptiveLevel(std::string slot, std::string keep, bool per_tensor);

// The same in the metric of AdamW, with P = (1 - keep prod beta) divisor, mu the weight decay and
// eta_prev the lr of the step before:
//   num = (1 + mu lr) (eta_prev / lr) <g, d / P + mu x> - <d - g, (g + lambda P d) / W> - mu <x, d
//   - g> den = <d - g, (d - g) / W>,  W = P (1 + lambda P) d <- ((1 - beta) g + (lambda P + beta)
//   d) / (1 + lambda P)
// The first step has beta = keep. What is read is d / (1 - keep prod beta), for a chain that
// divides by the divisor. Per parameter. State: SLOT, SLOT.beta_product, SLOT.lr.
std::unique_ptr<Level> AdaptiveAdamLevel(std::string slot, std::string keep);

}  // namespace palimpsest

#endif  // OPTIM_ADAPTIVE_LEVEL_H_
