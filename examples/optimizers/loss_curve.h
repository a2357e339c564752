#ifndef EXAMPLES_OPTIMIZERS_LOSS_CURVE_H_
#define EXAMPLES_OPTIMIZERS_LOSS_CURVE_H_

#include <vector>

namespace palimpsest {

// A loss as it falls: steps rise.
struct LossCurve {
  std::vector<double> steps, losses;
};

// The first step at which the curve is at `loss` or below, between two points in proportion. NaN if
// it never is.
double StepsTo(const LossCurve& curve, double loss);

// The share of `base`'s steps that `curve` saves on the way to the lowest loss both reach; negative
// if it needs more.
double StepsSaved(const LossCurve& curve, const LossCurve& base);

}  // namespace palimpsest

#endif  // EXAMPLES_OPTIMIZERS_LOSS_CURVE_H_
