#include "report/plot.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/check.h"
#include "report/html.h"

namespace palimpsest {
namespace {

// In pixels of the unscaled picture.
constexpr double kAreaWidth = 440, kAreaHeight = 280, kLeft = 66, kTop = 38, kBottom = 50,
                 kRight = 20, kLegendLine = 20, kLegendMark = 30, kCharacter = 7;
constexpr int kMostXTicks = 8, kMostYTicks = 8, kColors = 8;
// More points than this are a curve, without a mark at each.
constexpr size_t kMostMarks = 20;

// Colours that the colour-blind tell apart (Tol 2021), lighter where the page is dark.
constexpr char kStyle[] = R"(<style>
.plot{font:13px sans-serif}.plot .title{font-size:14px;font-weight:bold}
.plot .page{fill:#fff}.plot text{fill:#24292f}.plot .grid{stroke:#d8dee4}
.plot .frame{stroke:#24292f;fill:none}.plot .band{fill:currentColor;stroke:none;opacity:.2}
.plot .line{fill:none;stroke:currentColor;stroke-width:1.8;stroke-linejoin:round}
.plot .mark{fill:currentColor}.plot .c0{color:#4477aa}.plot .c1{color:#cc3311}
.plot .c2{color:#228833}.plot .c3{color:#aa3377}.plot .c4{color:#b58900}
.plot .c5{color:#0f9bc0}.plot .c6{color:#555}.plot .c7{color:#e07b39}
@media (prefers-color-scheme:dark){.plot .page{fill:#15191e}.plot text{fill:#d7dde3}
.plot .grid{stroke:#3a424b}.plot .frame{stroke:#d7dde3}.plot .c0{color:#7ab0e4}
.plot .c1{color:#ff7a5c}.plot .c2{color:#5fc573}.plot .c3{color:#e381bb}.plot .c4{color:#e0c050}
.plot .c5{color:#66d4f0}.plot .c6{color:#b0b0b0}.plot .c7{color:#ffb07c}}
</style>
)";

std::string Number(double pixels) { return absl::StrFormat("%.2f", pixels); }

std::string Text(double x, double y, const char* anchor, const std::string& text,
                 const std::string& more = "") {
  return absl::StrCat("<text x=\"", Number(x), "\" y=\"", Number(y), "\" text-anchor=\"", anchor,
                      "\"", more, ">", EscapeHtml(text), "</text>\n");
}

std::string Line(double x1, double y1, double x2, double y2, const std::string& attributes) {
  return absl::StrCat("<line x1=\"", Number(x1), "\" y1=\"", Number(y1), "\" x2=\"", Number(x2),
                      "\" y2=\"", Number(y2), "\" ", attributes, "/>\n");
}

// Eight colours, then the same ones again, dashed.
std::string Color(size_t series) { return absl::StrCat("class=\"c", series % kColors, "\""); }
const char* Dashes(size_t series) {
  static constexpr const char* kDashes[] = {"", " stroke-dasharray=\"6 3\"",
                                            " stroke-dasharray=\"2 2\""};
  return kDashes[series / kColors % std::size(kDashes)];
}

std::string Mark(size_t series, double left, double right, double y) {
  return Line(left, y, right, y, absl::StrCat("class=\"line\"", Dashes(series)));
}

struct Point {
  double x, y, low, high;  // In pixels; low and high are the band's.
};
using Run = std::vector<Point>;

// Draws one plot with its upper left corner at 0, 0.
class Painter {
 public:
  explicit Painter(const Plot& plot)
      : plot_(plot),
        x_(plot.x.scale, Values(plot, true), kMostXTicks),
        y_(plot.y.scale, Values(plot, false), kMostYTicks) {}

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
    if (!any) out_ += Text(kLeft + kAreaWidth / 2, kTop + kAreaHeight / 2, "middle", "no data");
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
      out_ += Line(X(tick), kTop, X(tick), bottom, "class=\"grid\"");
      out_ += Text(X(tick), bottom + 18, "middle", TickLabel(tick));
    }
    for (const double tick : y_.ticks()) {
      out_ += Line(kLeft, Y(tick), right, Y(tick), "class=\"grid\"");
      out_ += Text(kLeft - 7, Y(tick) + 4, "end", TickLabel(tick));
    }
    absl::StrAppend(&out_, "<rect class=\"frame\" x=\"", kLeft, "\" y=\"", kTop, "\" width=\"",
                    kAreaWidth, "\" height=\"", kAreaHeight, "\"/>\n");
    out_ += Text(kLeft + kAreaWidth / 2, kTop - 14, "middle", plot_.title, " class=\"title\"");
    out_ += Text(kLeft + kAreaWidth / 2, bottom + 40, "middle", plot_.x.label);
    const double middle = kTop + kAreaHeight / 2;
    out_ += Text(15, middle, "middle", plot_.y.label,
                 absl::StrCat(" transform=\"rotate(-90 15 ", Number(middle), ")\""));
  }

  // The points that can be drawn, cut at those that cannot.
  std::vector<Run> Runs(const PlotSeries& s) const {
    std::vector<Run> runs(1);
    for (size_t i = 0; i < s.x.size(); ++i) {
      if (!x_.CanDraw(s.x[i]) || !y_.CanDraw(s.y[i])) {
        if (!runs.back().empty()) runs.emplace_back();
        continue;
      }
      Point p{X(s.x[i]), Y(s.y[i]), Y(s.y[i]), Y(s.y[i])};
      if (!s.deviation.empty() && std::isfinite(s.deviation[i])) {
        // A band that reaches past zero on a logarithm goes on to the axis.
        const double low = s.y[i] - s.deviation[i];
        p.low = y_.CanDraw(low) ? Y(low) : kTop + kAreaHeight;
        p.high = Y(s.y[i] + s.deviation[i]);
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
    absl::StrAppend(&out_, "<g ", Color(index), " data-series=\"", index, "\"><title>",
                    EscapeHtml(s.name), "</title>\n");
    std::string path;
    for (const Run& run : runs) {
      if (!s.deviation.empty()) DrawBand(run);
      for (size_t i = 0; i < run.size(); ++i)
        absl::StrAppend(&path, i == 0 ? "M" : "L", Number(run[i].x), " ", Number(run[i].y));
      // A line of one point shows nothing.
      if (s.x.size() > kMostMarks && run.size() > 1) continue;
      for (const Point& p : run)
        absl::StrAppend(&out_, "<circle class=\"mark\" r=\"", run.size() == 1 ? 4.0 : 2.6,
                        "\" cx=\"", Number(p.x), "\" cy=\"", Number(p.y), "\"/>\n");
    }
    if (!path.empty())
      absl::StrAppend(&out_, "<path class=\"line\"", Dashes(index), " d=\"", path, "\"/>\n");
    out_ += "</g>\n";
    return !runs.empty();
  }

  // Of a single point it is a bar.
  void DrawBand(const Run& run) {
    if (run.size() == 1)
      out_ += Line(run[0].x, run[0].low, run[0].x, run[0].high, "class=\"line\"");
    std::vector<std::string> corners;
    for (const Point& p : run) corners.push_back(Number(p.x) + "," + Number(p.high));
    for (auto p = run.rbegin(); p != run.rend(); ++p)
      corners.push_back(Number(p->x) + "," + Number(p->low));
    absl::StrAppend(&out_, "<polygon class=\"band\" points=\"", absl::StrJoin(corners, " "),
                    "\"/>\n");
  }

  void DrawLegend() {
    const double x = kLeft + kAreaWidth + kRight;
    for (size_t i = 0; i < plot_.series.size(); ++i) {
      const double y = kTop + kLegendLine * (static_cast<double>(i) + 0.5);
      absl::StrAppend(&out_, "<g ", Color(i), ">", Mark(i, x, x + 22, y),
                      Text(x + kLegendMark, y + 4, "start", plot_.series[i].name), "</g>\n");
    }
  }

  const Plot& plot_;
  const AxisMap x_, y_;
  std::string out_;
};

}  // namespace

std::string SeriesMark(size_t series, double width, double y) {
  return absl::StrCat("<g ", Color(series), ">", Mark(series, 0, width, y), "</g>");
}

std::string PlotSvg(const std::vector<Plot>& plots, int columns) {
  PALIMPSEST_CHECK(columns >= 1) << columns << " columns of plots";
  double width = 0, height = 0, row_width = 0, row_height = 0;
  std::string body;
  for (size_t i = 0; i < plots.size(); ++i) {
    if (i % static_cast<size_t>(columns) == 0) height += row_height, row_width = 0, row_height = 0;
    absl::StrAppend(&body, "<g transform=\"translate(", Number(row_width), " ", Number(height),
                    ")\">\n", Painter(plots[i]).Draw(), "</g>\n");
    row_width += Painter::Width(plots[i]);
    row_height = std::max(row_height, Painter::Height(plots[i]));
    width = std::max(width, row_width);
  }
  height += row_height;
  const std::string size = absl::StrCat("width=\"", Number(width), "\" height=\"", Number(height));
  return absl::StrCat("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" role=\"img\" ",
                      size, "\" viewBox=\"0 0 ", Number(width), " ", Number(height), "\">\n",
                      kStyle, "<rect class=\"page\" ", size, "\"/>\n", body, "</svg>\n");
}

}  // namespace palimpsest
