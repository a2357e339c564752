#include "report/plot.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/check.h"
#include "report/html.h"
#include "report/svg.h"
#include "report/text.h"

namespace palimpsest {
namespace {

// In pixels of the unscaled picture.
constexpr double kAreaWidth = 440, kAreaHeight = 280, kLeft = 66, kTop = 38, kBottom = 50,
                 kRight = 20, kLegendLine = 20, kLegendMark = 30, kCharacter = 7;
constexpr int kMostXTicks = 8, kMostYTicks = 8;
constexpr size_t kLongestTitle = 60;
// More points than this are a curve, without a mark at each.
constexpr size_t kMostMarks = 20;

// In this many pixels single points would hide one another; side by side they take so many.
constexpr double kNear = 7, kBeside = 7, kMostBeside = 48;

struct Point {
  double x, y, low, high;  // In pixels; low and high are the band's.
  bool cut_low = false, cut_high = false;
};
using Run = std::vector<Point>;

bool IsSinglePoint(const PlotSeries& s) { return s.x.size() == 1; }

// Draws one plot with its upper left corner at 0, 0.
class Painter {
 public:
  explicit Painter(const Plot& plot)
      : plot_(plot),
        x_(plot.x.scale, Values(plot, true), kMostXTicks, plot.x.range),
        y_(plot.y.scale, Values(plot, false), kMostYTicks, plot.y.range) {
    SetPointsApart();
  }

  static double Width(const Plot& plot) {
    if (!plot.legend) return kLeft + kAreaWidth + kRight;
    size_t longest = 0;
    for (const PlotSeries& s : plot.series) longest = std::max(longest, s.name.size());
    return kLeft + kAreaWidth + 2 * kRight + kLegendMark +
           kCharacter * static_cast<double>(longest);
  }
  static double Height(const Plot& plot) {
    const double legend =
        plot.legend ? kLegendLine * static_cast<double>(plot.series.size() + 1) : 0;
    return kTop + std::max(kAreaHeight, legend) + kBottom;
  }

  std::string Draw() {
    DrawAxes();
    bool any = false;
    for (size_t i = 0; i < plot_.series.size(); ++i) any |= DrawSeries(i);
    if (!any) out_ += SvgText(kLeft + kAreaWidth / 2, kTop + kAreaHeight / 2, "middle", "no data");
    if (plot_.legend) DrawLegend();
    return out_;
  }

 private:
  static std::vector<double> Values(const Plot& plot, bool of_x) {
    std::vector<double> values;
    for (const PlotSeries& s : plot.series) {
      PALIMPSEST_CHECK(s.x.size() == s.y.size() &&
                       (s.deviation.empty() || s.deviation.size() == s.y.size()))
          << "series " << s.name << " has " << s.x.size() << " x, " << s.y.size() << " y and "
          << s.deviation.size() << " deviations";
      const std::vector<double>& own = of_x ? s.x : s.y;
      values.insert(values.end(), own.begin(), own.end());
      for (size_t i = 0; i < s.deviation.size() && !of_x; ++i)
        values.insert(values.end(), {s.y[i] - s.deviation[i], s.y[i] + s.deviation[i]});
    }
    if ((of_x ? plot.x : plot.y).room) MakeRoom((of_x ? plot.x : plot.y).scale, &values);
    return values;
  }

  static void MakeRoom(AxisScale scale, std::vector<double>* values) {
    double low = INFINITY, high = -INFINITY;
    for (const double v : *values) {
      if (!std::isfinite(v) || (scale != AxisScale::kLinear && v <= 0)) continue;
      low = std::min(low, v), high = std::max(high, v);
    }
    if (low > high) return;
    const double by = 0.08 * (high - low), times = std::sqrt(2);
    if (scale == AxisScale::kLinear) {
      values->insert(values->end(), {low - by, high + by});
    } else {
      values->insert(values->end(), {low / times, high * times});
    }
  }

  double X(double value) const { return kLeft + kAreaWidth * x_.Place(value); }
  double Y(double value) const { return kTop + kAreaHeight * (1 - y_.Place(value)); }

  void DrawAxes() {
    const double right = kLeft + kAreaWidth, bottom = kTop + kAreaHeight;
    for (const double tick : x_.ticks()) {
      out_ += SvgLine(X(tick), kTop, X(tick), bottom, "class=\"grid\"");
      out_ += SvgText(X(tick), bottom + 18, "middle", TickLabel(tick));
    }
    for (const double tick : y_.ticks()) {
      out_ += SvgLine(kLeft, Y(tick), right, Y(tick), "class=\"grid\"");
      out_ += SvgText(kLeft - 7, Y(tick) + 4, "end", TickLabel(tick));
    }
    absl::StrAppend(&out_, "<rect class=\"frame\" x=\"", kLeft, "\" y=\"", kTop, "\" width=\"",
                    kAreaWidth, "\" height=\"", kAreaHeight, "\"/>\n");
    out_ += SvgText(kLeft + kAreaWidth / 2, kTop - 14, "middle",
                    Shortened(plot_.title, kLongestTitle), "class=\"title\"");
    out_ += SvgText(kLeft + kAreaWidth / 2, bottom + 40, "middle", plot_.x.label);
    const double middle = kTop + kAreaHeight / 2;
    out_ += SvgText(15, middle, "middle", plot_.y.label,
                    absl::StrCat("transform=\"rotate(-90 15 ", SvgNumber(middle), ")\""));
  }

  void SetPointsApart() {
    aside_.assign(plot_.series.size(), 0);
    std::vector<size_t> points;
    for (size_t i = 0; i < plot_.series.size(); ++i) {
      if (IsSinglePoint(plot_.series[i]) && x_.CanDraw(plot_.series[i].x[0])) points.push_back(i);
    }
    const auto place = [&](size_t i) { return X(plot_.series[i].x[0]); };
    std::stable_sort(points.begin(), points.end(),
                     [&](size_t a, size_t b) { return place(a) < place(b); });
    for (size_t begin = 0, end; begin < points.size(); begin = end) {
      for (end = begin + 1;
           end < points.size() && place(points[end]) - place(points[end - 1]) < kNear;)
        ++end;
      const double gaps = static_cast<double>(end - begin - 1);
      const double apart = gaps > 0 ? std::min(kBeside, kMostBeside / gaps) : 0;
      for (size_t k = begin; k < end; ++k)
        aside_[points[k]] = apart * (static_cast<double>(k - begin) - gaps / 2);
    }
  }

  // The points that can be drawn, cut at those that cannot.
  std::vector<Run> Runs(const PlotSeries& s) const {
    std::vector<Run> runs(1);
    for (size_t i = 0; i < s.x.size(); ++i) {
      if (!x_.CanDraw(s.x[i]) || !y_.CanDraw(s.y[i])) {
        if (!runs.back().empty()) runs.emplace_back();
        continue;
      }
      const double x = X(s.x[i]) + aside_[static_cast<size_t>(&s - plot_.series.data())];
      Point p{x, Y(s.y[i]), Y(s.y[i]), Y(s.y[i])};
      if (!s.deviation.empty() && std::isfinite(s.deviation[i])) {
        // A band that reaches past zero on a logarithm goes on to the axis.
        const double low = s.y[i] - s.deviation[i], high = s.y[i] + s.deviation[i];
        const AxisRange& range = plot_.y.range;
        p.cut_low = low<range.least, p.cut_high = high> range.most;
        p.low = y_.CanDraw(low) ? Y(std::max(low, range.least)) : kTop + kAreaHeight;
        p.high = Y(std::min(high, range.most));
      }
      runs.back().push_back(p);
    }
    if (runs.back().empty()) runs.pop_back();
    return runs;
  }

  // Whether there was anything to draw.
  bool DrawSeries(size_t index) {
    const PlotSeries& s = plot_.series[index];
    const std::vector<Run> runs = Runs(s);
    absl::StrAppend(&out_, "<g ", SeriesColor(index), " data-series=\"", index, "\"><title>",
                    EscapeHtml(s.name), "</title>\n");
    std::string path;
    for (const Run& run : runs) {
      if (!s.deviation.empty()) DrawBand(run);
      for (size_t i = 0; i < run.size(); ++i)
        absl::StrAppend(&path, i == 0 ? "M" : "L", SvgNumber(run[i].x), " ", SvgNumber(run[i].y));
      // A line of one point shows nothing.
      if (s.x.size() > kMostMarks && run.size() > 1) continue;
      for (const Point& p : run) out_ += SeriesSymbol(index, p.x, p.y, run.size() == 1 ? 4.0 : 2.6);
    }
    if (!path.empty())
      absl::StrAppend(&out_, "<path class=\"line\"", SeriesDashes(index), " d=\"", path, "\"/>\n");
    out_ += "</g>\n";
    return !runs.empty();
  }

  // Where it is cut short it has the head of an arrow.
  void DrawBar(const Point& p) {
    constexpr double kHead = 5;
    out_ += SvgLine(p.x, p.low, p.x, p.high, "class=\"line\"");
    const auto head = [&](double tip, double down) {
      absl::StrAppend(&out_, "<path class=\"line arrow\" d=\"M", SvgNumber(p.x - kHead), " ",
                      SvgNumber(tip + down), "L", SvgNumber(p.x), " ", SvgNumber(tip), "L",
                      SvgNumber(p.x + kHead), " ", SvgNumber(tip + down), "\"/>\n");
    };
    if (p.cut_low) head(p.low, -kHead);
    if (p.cut_high) head(p.high, kHead);
  }

  void DrawBand(const Run& run) {
    if (run.size() == 1) return DrawBar(run[0]);
    std::vector<std::string> corners;
    for (const Point& p : run) corners.push_back(SvgNumber(p.x) + "," + SvgNumber(p.high));
    for (auto p = run.rbegin(); p != run.rend(); ++p)
      corners.push_back(SvgNumber(p->x) + "," + SvgNumber(p->low));
    absl::StrAppend(&out_, "<polygon class=\"band\" points=\"", absl::StrJoin(corners, " "),
                    "\"/>\n");
  }

  void DrawLegend() {
    const double x = kLeft + kAreaWidth + kRight;
    for (size_t i = 0; i < plot_.series.size(); ++i) {
      const double y = kTop + kLegendLine * (static_cast<double>(i) + 0.5);
      absl::StrAppend(&out_, "<g transform=\"translate(", SvgNumber(x), " 0)\">",
                      SeriesMark(i, 22, y), "</g>",
                      SvgText(x + kLegendMark, y + 4, "start", plot_.series[i].name));
    }
  }

  const Plot& plot_;
  const AxisMap x_, y_;
  std::vector<double> aside_;  // Of each series, how far from its place to the right.
  std::string out_;
};

}  // namespace

std::string SeriesMark(size_t series, double width, double y) {
  return absl::StrCat("<g ", SeriesColor(series), ">", SeriesLine(series, 0, width, y),
                      SeriesSymbol(series, width / 2, y, 3.2), "</g>");
}

std::string PlotSvg(const std::vector<Plot>& plots, int columns) {
  PALIMPSEST_CHECK(columns >= 1) << columns << " columns of plots";
  double width = 0, height = 0, row_width = 0, row_height = 0;
  std::string body;
  for (size_t i = 0; i < plots.size(); ++i) {
    if (i % static_cast<size_t>(columns) == 0) height += row_height, row_width = 0, row_height = 0;
    absl::StrAppend(&body, "<g transform=\"translate(", SvgNumber(row_width), " ",
                    SvgNumber(height), ")\">\n", Painter(plots[i]).Draw(), "</g>\n");
    row_width += Painter::Width(plots[i]);
    row_height = std::max(row_height, Painter::Height(plots[i]));
    width = std::max(width, row_width);
  }
  height += row_height;
  return SvgPlot(width, height, body);
}

}  // namespace palimpsest
