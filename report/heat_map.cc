#include "report/heat_map.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/check.h"
#include "report/axis.h"
#include "report/html.h"
#include "report/svg.h"
#include "report/text.h"

namespace palimpsest {
namespace {

// In pixels of the unscaled picture, as wide as a plot.
constexpr double kWidth = 526, kTop = 38, kCell = 22, kBottom = 50, kRight = 20, kGap = 8,
                 kCharacter = 6.6, kDeadWord = 34;
constexpr size_t kLongestName = 30, kLongestTitle = 56;
constexpr int kMostTicks = 7;

// Viridis: even steps to the eye, in grey and to the colour-blind too.
constexpr std::array<std::array<int, 3>, 9> kColors = {{{68, 1, 84},
                                                        {72, 40, 120},
                                                        {62, 74, 137},
                                                        {49, 104, 142},
                                                        {38, 130, 142},
                                                        {31, 158, 137},
                                                        {53, 183, 121},
                                                        {144, 215, 67},
                                                        {253, 231, 37}}};

// Of a share of the scale in [0, 1].
std::string ColorAt(double share) {
  const double at = std::clamp(share, 0.0, 1.0) * (kColors.size() - 1);
  const size_t i = std::min(static_cast<size_t>(at), kColors.size() - 2);
  const double part = at - static_cast<double>(i);
  std::array<int, 3> rgb;
  for (size_t c = 0; c < 3; ++c)
    rgb[c] = static_cast<int>(std::lround(kColors[i][c] * (1 - part) + kColors[i + 1][c] * part));
  return absl::StrFormat("#%02x%02x%02x", rgb[0], rgb[1], rgb[2]);
}

double ShareOf(double value, const HeatScale& scale) {
  return std::log(value / scale.low) / std::log(scale.high / scale.low);
}

std::string Rect(double x, double y, double width, double height, const std::string& attributes) {
  return absl::StrCat("<rect x=\"", SvgNumber(x), "\" y=\"", SvgNumber(y), "\" width=\"",
                      SvgNumber(width), "\" height=\"", SvgNumber(height), "\" ", attributes,
                      "/>\n");
}

std::string DeadRect(double x, double y, double width, double height) {
  std::string svg = Rect(x, y, width, height, "class=\"dead\"");
  if (width >= kDeadWord)
    svg += SvgText(x + width / 2, y + height / 2 + 4, "middle", "dead", "class=\"dead-text\"");
  return svg;
}

class HeatPainter {
 public:
  HeatPainter(const HeatMap& map, const HeatScale& scale)
      : map_(map), scale_(scale), edges_(Edges(map.x)) {
    size_t longest = 0;
    for (const HeatMap::Row& row : map.rows) {
      PALIMPSEST_CHECK(row.values.size() == map.x.size() && row.dead.size() == map.x.size())
          << row.name << " has " << row.values.size() << " values and " << row.dead.size()
          << " marks at " << map.x.size() << " x";
      longest = std::max(longest, std::min(TextWidth(row.name), kLongestName));
    }
    left_ = 2 * kGap + kCharacter * static_cast<double>(longest);
  }

  std::string Draw() {
    out_ += SvgText(left_ + Area() / 2, kTop - 14, "middle", Shortened(map_.title, kLongestTitle),
                    "class=\"title\"");
    for (size_t r = 0; r < map_.rows.size(); ++r) DrawRow(map_.rows[r], Top(r));
    absl::StrAppend(&out_, Rect(left_, kTop, Area(), Bottom() - kTop, "class=\"frame\""));
    DrawAxis();
    return SvgPlot(kWidth, Bottom() + kBottom, out_);
  }

 private:
  // Half way between neighbours, and as far beyond the ends.
  static std::vector<double> Edges(const std::vector<double>& x) {
    if (x.size() < 2)
      return x.empty() ? std::vector<double>{0, 1} : std::vector{x[0] - 1, x[0] + 1};
    std::vector<double> edges = {x[0] - (x[1] - x[0]) / 2};
    for (size_t i = 0; i + 1 < x.size(); ++i) edges.push_back((x[i] + x[i + 1]) / 2);
    edges.push_back(2 * x.back() - edges.back());
    return edges;
  }

  double Area() const { return kWidth - left_ - kRight; }
  double X(double x) const {
    return left_ + Area() * (x - edges_.front()) / (edges_.back() - edges_.front());
  }
  static double Top(size_t row) { return kTop + kCell * static_cast<double>(row); }
  double Bottom() const { return Top(map_.rows.size()); }

  void DrawRow(const HeatMap::Row& row, double top) {
    out_ += SvgText(left_ - kGap, top + kCell / 2 + 4, "end", Shortened(row.name, kLongestName));
    absl::StrAppend(&out_, "<g shape-rendering=\"crispEdges\"><title>", EscapeHtml(row.name),
                    "</title>\n");
    for (size_t i = 0, end; i < map_.x.size(); i = end) {
      for (end = i + 1; row.dead[i] && end < map_.x.size() && row.dead[end];) ++end;
      const double x = X(edges_[i]), width = X(edges_[end]) - x;
      if (row.dead[i]) {
        out_ += DeadRect(x, top, width, kCell);
      } else if (row.values[i] > 0) {
        out_ += Rect(x, top, width, kCell,
                     absl::StrCat("fill=\"", ColorAt(ShareOf(row.values[i], scale_)), "\""));
      }
    }
    out_ += "</g>\n";
  }

  void DrawAxis() {
    const AxisMap axis(AxisScale::kLinear, edges_, kMostTicks);
    for (const double tick : axis.ticks()) {
      if (tick < edges_.front() || tick > edges_.back()) continue;
      out_ += SvgLine(X(tick), Bottom(), X(tick), Bottom() + 4, "class=\"frame\"");
      out_ += SvgText(X(tick), Bottom() + 18, "middle", TickLabel(tick));
    }
    out_ += SvgText(left_ + Area() / 2, Bottom() + 40, "middle", map_.x_label);
  }

  const HeatMap& map_;
  const HeatScale& scale_;
  const std::vector<double> edges_;
  double left_ = 0;
  std::string out_;
};

}  // namespace

HeatScale HeatScaleOf(const std::string& label, const std::vector<HeatMap>& maps) {
  double low = INFINITY, high = 0;
  for (const HeatMap& map : maps) {
    for (const HeatMap::Row& row : map.rows) {
      for (size_t i = 0; i < row.values.size(); ++i) {
        if (row.dead[i] || !(row.values[i] > 0) || std::isinf(row.values[i])) continue;
        low = std::min(low, row.values[i]), high = std::max(high, row.values[i]);
      }
    }
  }
  if (low > high) return {label};
  const double first = std::floor(std::log10(low)), last = std::ceil(std::log10(high));
  return {label, std::pow(10, first), std::pow(10, std::max(last, first + 1))};
}

std::string HeatMapSvg(const HeatMap& map, const HeatScale& scale) {
  return HeatPainter(map, scale).Draw();
}

std::string HeatScaleSvg(const HeatScale& scale) {
  constexpr double kLeft = 24, kBar = 260, kHeight = 14, kBarTop = 22, kDead = 54;
  constexpr int kSteps = 65;
  std::string svg = SvgText(kLeft, kBarTop - 8, "start", scale.label);
  svg += "<g shape-rendering=\"crispEdges\">\n";
  for (int i = 0; i < kSteps; ++i)
    svg += Rect(kLeft + kBar * i / kSteps, kBarTop, kBar / kSteps, kHeight,
                absl::StrCat("fill=\"", ColorAt((i + 0.5) / kSteps), "\""));
  svg += "</g>\n";
  const long first = std::lround(std::log10(scale.low)), last = std::lround(std::log10(scale.high));
  for (long power = first; power <= last; power += 1 + (last - first) / kMostTicks)
    svg += SvgText(
        kLeft + kBar * static_cast<double>(power - first) / static_cast<double>(last - first),
        kBarTop + kHeight + 15, "middle", absl::StrCat("1e", power));
  svg += DeadRect(kLeft + kBar + 24, kBarTop - 3, kDead, kHeight + 6);
  return SvgPlot(kLeft + kBar + 24 + kDead + kRight, kBarTop + kHeight + 22, svg);
}

}  // namespace palimpsest
