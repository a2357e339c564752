#ifndef REPORT_AXIS_H_
#define REPORT_AXIS_H_

#include <cmath>
#include <string>
#include <vector>

namespace palimpsest {

enum class AxisScale { kLinear, kLog2, kLog10 };

// What values can be: an axis does not go on past it, but to the next tick.
struct AxisRange {
  double least = -INFINITY, most = INFINITY;
};

// Where values stand between the ends of an axis, and what is written beside it.
class AxisMap {
 public:
  // Holds all of `values` that can be drawn, as far as `range` goes, and ends with ticks, of which
  // there are at most `most_ticks` (at least 2). Without such values it is [0, 1], or [1, base] of
  // a logarithm.
  AxisMap(AxisScale scale, const std::vector<double>& values, int most_ticks,
          const AxisRange& range = {});

  // Finite, and positive where the axis is a logarithm.
  bool CanDraw(double value) const;
  // From 0, at the low end, to 1. `value` can be drawn.
  double Place(double value) const;
  const std::vector<double>& ticks() const { return ticks_; }

 private:
  double Along(double value) const;  // The value, or its logarithm.

  AxisScale scale_;
  std::vector<double> ticks_;  // Rising.
};

// "0.25", "2000", "50k", "1e-5".
std::string TickLabel(double value);

}  // namespace palimpsest

#endif  // REPORT_AXIS_H_
