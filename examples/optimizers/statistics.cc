#include "examples/optimizers/statistics.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "core/check.h"

namespace palimpsest {
namespace {

// Student's t at 0.975, by degrees of freedom from 1 on; then near enough the normal's.
double StudentT(size_t freedom) {
  static constexpr double kT[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365,
                                  2.306,  2.262, 2.228, 2.201, 2.179, 2.160, 2.145,
                                  2.131,  2.120, 2.110, 2.101, 2.093, 2.086};
  return freedom <= std::size(kT) ? kT[freedom - 1] : 1.96 + 2.5 / static_cast<double>(freedom);
}

}  // namespace

Estimate EstimateOf(const std::vector<double>& values) {
  PALIMPSEST_CHECK(!values.empty()) << "an estimate of nothing";
  const auto n = static_cast<double>(values.size());
  Estimate e;
  for (const double v : values) e.mean += v / n;
  double squares = 0;
  for (const double v : values) squares += (v - e.mean) * (v - e.mean);
  e.deviation = values.size() > 1 ? std::sqrt(squares / (n - 1)) : NAN;
  e.half_width = values.size() > 1 ? StudentT(values.size() - 1) * e.deviation / std::sqrt(n) : NAN;
  return e;
}

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
