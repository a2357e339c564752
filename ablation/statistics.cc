#include "ablation/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/check.h"

namespace palimpsest {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

// The continued fraction of the incomplete beta function (Abramowitz and Stegun 26.5.8), from its
// front (Lentz).
double BetaFraction(double x, double a, double b) {
  constexpr double kTiny = 1e-300;
  constexpr int kMostTerms = 100000;
  const auto away_from_zero = [](double v) { return std::abs(v) < kTiny ? kTiny : v; };
  double c = 1, d = 1 / away_from_zero(1 - (a + b) * x / (a + 1)), fraction = d;
  for (int i = 1; i < kMostTerms; ++i) {
    const double m = i;
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    double factor = 1;
    for (const double term : {even, odd}) {
      d = 1 / away_from_zero(1 + term * d);
      c = away_from_zero(1 + term / c);
      factor = c * d;
      fraction *= factor;
    }
    if (std::abs(factor - 1) < kEpsilon) break;
  }
  return fraction;
}

// I_x(a, b), where y = 1 - x is known to more digits than that.
double IncompleteBeta(double x, double y, double a, double b) {
  if (x <= 0 || y <= 0) return x <= 0 ? 0 : 1;
  const double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) +
                                a * std::log(x) + b * std::log(y));
  if (x < (a + 1) / (a + b + 2)) return front * BetaFraction(x, a, b) / a;
  return 1 - front * BetaFraction(y, b, a) / b;
}

double Largest(const std::vector<double>& values) {
  double largest = 0;
  for (const double v : values) largest = std::max(largest, std::abs(v));
  return largest;
}

// `error`: the deviation of `mean` itself. What is within rounding of `size` is no spread.
Difference TestOf(double mean, double error, double freedom, double size) {
  if (error <= 4 * kEpsilon * size) return {mean, 0, freedom, NAN};
  return {mean, StudentQuantile(0.05, freedom) * error, freedom,
          StudentTwoSided(mean / error, freedom)};
}

}  // namespace

double StudentTwoSided(double t, double freedom) {
  PALIMPSEST_CHECK(freedom > 0) << freedom << " degrees of freedom";
  if (std::isnan(t)) return NAN;
  const double square = t * t;
  if (std::isinf(square)) return 0;
  return IncompleteBeta(freedom / (freedom + square), square / (freedom + square), freedom / 2,
                        0.5);
}

double StudentQuantile(double two_sided, double freedom) {
  PALIMPSEST_CHECK(two_sided > 0 && two_sided < 1) << "a chance of " << two_sided;
  double low = 0, high = 1;
  while (StudentTwoSided(high, freedom) > two_sided) low = high, high *= 2;
  for (;;) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) return middle;
    (StudentTwoSided(middle, freedom) > two_sided ? low : high) = middle;
  }
}

Estimate EstimateOf(const std::vector<double>& values) {
  PALIMPSEST_CHECK(!values.empty()) << "an estimate of nothing";
  const auto n = static_cast<double>(values.size());
  Estimate e;
  for (const double v : values) e.mean += v / n;
  double squares = 0;
  for (const double v : values) squares += (v - e.mean) * (v - e.mean);
  const bool several = values.size() > 1;
  e.deviation = several ? std::sqrt(squares / (n - 1)) : NAN;
  e.half_width = several ? StudentQuantile(0.05, n - 1) * e.deviation / std::sqrt(n) : NAN;
  return e;
}

Difference PairedDifference(const std::vector<double>& a, const std::vector<double>& b) {
  PALIMPSEST_CHECK(a.size() == b.size() && a.size() > 1)
      << a.size() << " values to pair with " << b.size();
  std::vector<double> differences;
  for (size_t i = 0; i < a.size(); ++i) differences.push_back(a[i] - b[i]);
  const Estimate e = EstimateOf(differences);
  const auto n = static_cast<double>(a.size());
  return TestOf(e.mean, e.deviation / std::sqrt(n), n - 1, Largest(a) + Largest(b));
}

Difference WelchDifference(const std::vector<double>& a, const std::vector<double>& b) {
  PALIMPSEST_CHECK(a.size() > 1 && b.size() > 1)
      << a.size() << " values to hold against " << b.size();
  const Estimate ea = EstimateOf(a), eb = EstimateOf(b);
  const auto na = static_cast<double>(a.size()), nb = static_cast<double>(b.size());
  const double va = ea.deviation * ea.deviation / na, vb = eb.deviation * eb.deviation / nb;
  const double both = va + vb, size = Largest(a) + Largest(b);
  const double freedom =
      both > 0 ? both * both / (va * va / (na - 1) + vb * vb / (nb - 1)) : na + nb - 2;
  return TestOf(ea.mean - eb.mean, std::sqrt(both), freedom, size);
}

std::vector<double> HolmAdjusted(const std::vector<double>& p) {
  std::vector<size_t> order;
  for (size_t i = 0; i < p.size(); ++i) {
    if (!std::isnan(p[i])) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [&](size_t i, size_t j) { return p[i] < p[j]; });
  std::vector<double> adjusted(p.size(), NAN);
  double least = 0;
  for (size_t k = 0; k < order.size(); ++k) {
    least = std::max(least, std::min(1.0, static_cast<double>(order.size() - k) * p[order[k]]));
    adjusted[order[k]] = least;
  }
  return adjusted;
}

}  // namespace palimpsest
