#include "examples/optimizers/loss_curve.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"

namespace palimpsest {
double StepsTo(const LossCurve& curve, double loss) {
  for (size_t i = 0; i < curve.steps.size(); ++i) {
    if (!(curve.losses[i] <= loss)) continue;
    if (i == 0) return curve.steps[0];
    const double before = curve.losses[i - 1];
    const double share = (before - loss) / (before - curve.losses[i]);
    return curve.steps[i - 1] + share * (curve.steps[i] - curve.steps[i - 1]);
  }
  return NAN;
}

double StepsSaved(const LossCurve& curve, const LossCurve& base) {
  PALIMPSEST_CHECK(!curve.losses.empty() && !base.losses.empty()) << "an empty curve";
  const double loss = std::max(*std::min_element(curve.losses.begin(), curve.losses.end()),
                               *std::min_element(base.losses.begin(), base.losses.end()));
  return 1 - StepsTo(curve, loss) / StepsTo(base, loss);
}

}  // namespace palimpsest
