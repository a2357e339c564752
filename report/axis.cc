#include "report/axis.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "core/check.h"

namespace palimpsest {
namespace {

// Multiples of `step` from the last one at or below `low` to the first one at or above `high`.
std::vector<double> Multiples(double step, double low, double high) {
  // A value that is a multiple but for its rounding is one.
  const double slack = 1e-9;
  const double first = std::floor(low / step + slack), last = std::ceil(high / step - slack);
  std::vector<double> values;
  for (double k = first; k <= std::max(last, first + 1); ++k) values.push_back(k * step);
  return values;
}

// 1, 2 or 5 times a power of ten.
std::vector<double> LinearTicks(double low, double high, int most, const AxisRange& range) {
  const double size = std::max(std::abs(low), std::abs(high));
  if (high - low <= 1e-9 * size) {
    const double room = size == 0 ? 1 : size * 0.1;
    low = std::max(low - room, range.least), high = std::min(high + room, range.most);
  }
  double decade = std::pow(10, std::floor(std::log10((high - low) / most)));
  for (;; decade *= 10) {
    for (const double mantissa : {1.0, 2.0, 5.0}) {
      std::vector<double> ticks = Multiples(mantissa * decade, low, high);
      if (ticks.size() <= static_cast<size_t>(most)) return ticks;
    }
  }
}

// Powers of `base`, every 1st, 2nd, ... of them.
std::vector<double> PowerTicks(double base, double low, double high, int most) {
  const double log = std::log(base);
  for (double step = 1;; ++step) {
    std::vector<double> ticks = Multiples(step, std::log(low) / log, std::log(high) / log);
    if (ticks.size() > static_cast<size_t>(most)) continue;
    for (double& tick : ticks) tick = std::pow(base, tick);
    return ticks;
  }
}

// 1, 2 and 5 times powers of ten; where these are too many, powers alone.
std::vector<double> DecadeTicks(double low, double high, int most) {
  const double slack = 1 + 1e-9;
  std::vector<double> ticks;
  for (double decade = std::pow(10, std::floor(std::log10(low))); ticks.size() <= 1000;
       decade *= 10) {
    for (const double mantissa : {1.0, 2.0, 5.0}) {
      const double tick = mantissa * decade;
      if (tick <= low * slack) ticks.clear();
      ticks.push_back(tick);
      if (tick * slack < high || ticks.size() < 2) continue;
      return ticks.size() <= static_cast<size_t>(most) ? ticks : PowerTicks(10, low, high, most);
    }
  }
  return PowerTicks(10, low, high, most);
}

}  // namespace

AxisMap::AxisMap(AxisScale scale, const std::vector<double>& values, int most_ticks,
                 const AxisRange& range)
    : scale_(scale) {
  PALIMPSEST_CHECK(most_ticks >= 3) << most_ticks << " ticks are too few for an axis";
  double low = INFINITY, high = -INFINITY;
  for (const double value : values) {
    if (!CanDraw(value)) continue;
    const double within = std::clamp(value, range.least, range.most);
    low = std::min(low, within), high = std::max(high, within);
  }
  const double base = scale == AxisScale::kLog2 ? 2 : 10;
  if (low > high && scale == AxisScale::kLinear) low = 0, high = 1;
  if (low > high) low = 1, high = base;
  switch (scale) {
    case AxisScale::kLinear: ticks_ = LinearTicks(low, high, most_ticks, range); break;
    case AxisScale::kLog2: ticks_ = PowerTicks(2, low, high, most_ticks); break;
    case AxisScale::kLog10: ticks_ = DecadeTicks(low, high, most_ticks); break;
  }
}

bool AxisMap::CanDraw(double value) const {
  return std::isfinite(value) && (scale_ == AxisScale::kLinear || value > 0);
}

double AxisMap::Along(double value) const {
  return scale_ == AxisScale::kLinear ? value : std::log(value);
}

double AxisMap::Place(double value) const {
  const double low = Along(ticks_.front()), high = Along(ticks_.back());
  return (Along(value) - low) / (high - low);
}

std::string TickLabel(double value) {
  if (value == 0) return "0";  // Nor -0.
  const double size = std::abs(value);
  if (size < 0.1) return absl::StrReplaceAll(absl::StrFormat("%.3g", value), {{"e-0", "e-"}});
  const char* const kUnits[] = {"k", "M", "G", "T"};
  double scaled = value / 1e3;
  for (const char* unit : kUnits) {
    if (size >= 1e4 && std::abs(scaled) < 1e3) return absl::StrFormat("%.4g%s", scaled, unit);
    scaled /= 1e3;
  }
  return absl::StrReplaceAll(absl::StrFormat("%.6g", value), {{"e+", "e"}});
}

}  // namespace palimpsest
