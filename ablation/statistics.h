#ifndef ABLATION_STATISTICS_H_
#define ABLATION_STATISTICS_H_

#include <vector>

namespace palimpsest {

// The chance of a t at least this far from zero, of Student's distribution; `freedom` > 0 need not
// be whole. NaN of a t that is.
double StudentTwoSided(double t, double freedom);
// The t that is passed, in either direction, with this chance in (0, 1).
double StudentQuantile(double two_sided, double freedom);

struct Estimate {
  double mean = 0;
  double deviation = 0;   // Of the sample, with n - 1. NaN of one value.
  double half_width = 0;  // Of the 95% interval of the mean, by Student's t. NaN of one value.
};
Estimate EstimateOf(const std::vector<double>& values);

// How much more one set of values is than another, in the mean.
struct Difference {
  double mean = 0;
  double half_width = 0;  // Of its 95% interval.
  double freedom = 0;
  // Two-sided. NaN where the values do not spread at all, which leaves a t-test nothing to go by.
  double p = 0;
};
// a[i] and b[i] belong together; at least two of each.
Difference PairedDifference(const std::vector<double>& a, const std::vector<double>& b);
// Welch's, for values that do not belong together; at least two of each.
Difference WelchDifference(const std::vector<double>& a, const std::vector<double>& b);

// Holm (1979): the chances of tests that are looked at together, in their order. NaN stays NaN.
std::vector<double> HolmAdjusted(const std::vector<double>& p);

}  // namespace palimpsest

#endif  // ABLATION_STATISTICS_H_
