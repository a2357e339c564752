#include "report/svg.h"

#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "report/html.h"

namespace palimpsest {
namespace {

constexpr size_t kColors = 8;

// Colours that the colour-blind tell apart (Tol 2021), lighter where the page is dark.
constexpr char kStyle[] = R"(<style>
.plot{font:13px sans-serif}.plot .title{font-size:14px;font-weight:bold}
.plot .page{fill:#fff}.plot text{fill:#24292f}.plot .grid{stroke:#d8dee4}
.plot .frame{stroke:#24292f;fill:none}.plot .band{fill:currentColor;stroke:none;opacity:.2}
.plot .line{fill:none;stroke:currentColor;stroke-width:1.8;stroke-linejoin:round}
.plot .mark{fill:currentColor}.plot .c0{color:#4477aa}.plot .c1{color:#cc3311}
.plot .c2{color:#228833}.plot .c3{color:#aa3377}.plot .c4{color:#b58900}
.plot .c5{color:#0f9bc0}.plot .c6{color:#555}.plot .c7{color:#e07b39}
.plot .dead{fill:#cc3311}.plot .dead-text{fill:#fff;font-size:11px}
@media (prefers-color-scheme:dark){.plot .page{fill:#15191e}.plot text{fill:#d7dde3}
.plot .grid{stroke:#3a424b}.plot .frame{stroke:#d7dde3}.plot .c0{color:#7ab0e4}
.plot .c1{color:#ff7a5c}.plot .c2{color:#5fc573}.plot .c3{color:#e381bb}.plot .c4{color:#e0c050}
.plot .c5{color:#66d4f0}.plot .c6{color:#b0b0b0}.plot .c7{color:#ffb07c}
.plot .dead-text{fill:#fff}}
</style>
)";

}  // namespace

std::string SvgNumber(double pixels) { return absl::StrFormat("%.2f", pixels); }

std::string SvgText(double x, double y, const char* anchor, const std::string& text,
                    const std::string& attributes) {
  return absl::StrCat("<text x=\"", SvgNumber(x), "\" y=\"", SvgNumber(y), "\" text-anchor=\"",
                      anchor, "\"", attributes.empty() ? "" : " ", attributes, ">",
                      EscapeHtml(text), "</text>\n");
}

std::string SvgLine(double x1, double y1, double x2, double y2, const std::string& attributes) {
  return absl::StrCat("<line x1=\"", SvgNumber(x1), "\" y1=\"", SvgNumber(y1), "\" x2=\"",
                      SvgNumber(x2), "\" y2=\"", SvgNumber(y2), "\" ", attributes, "/>\n");
}

std::string SvgPlot(double width, double height, const std::string& body) {
  const std::string size =
      absl::StrCat("width=\"", SvgNumber(width), "\" height=\"", SvgNumber(height));
  return absl::StrCat("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" role=\"img\" ",
                      size, "\" viewBox=\"0 0 ", SvgNumber(width), " ", SvgNumber(height), "\">\n",
                      kStyle, "<rect class=\"page\" ", size, "\"/>\n", body, "</svg>\n");
}

std::string SeriesColor(size_t series) { return absl::StrCat("class=\"c", series % kColors, "\""); }

std::string SeriesDashes(size_t series) {
  static constexpr const char* kDashes[] = {"", " stroke-dasharray=\"6 3\"",
                                            " stroke-dasharray=\"2 2\""};
  return kDashes[series / kColors % std::size(kDashes)];
}

std::string SeriesLine(size_t series, double left, double right, double y) {
  return SvgLine(left, y, right, y, absl::StrCat("class=\"line\"", SeriesDashes(series)));
}

// A circle, a square, a triangle, a diamond: of about one area.
std::string SeriesSymbol(size_t series, double x, double y, double radius) {
  const auto at = [&](double dx, double dy) {
    return absl::StrCat(SvgNumber(x + radius * dx), ",", SvgNumber(y + radius * dy), " ");
  };
  const auto polygon = [](const std::string& points) {
    return absl::StrCat("<polygon class=\"mark\" points=\"", points, "\"/>\n");
  };
  switch (series / kColors % 4) {
    case 1: return polygon(at(-.9, -.9) + at(.9, -.9) + at(.9, .9) + at(-.9, .9));
    case 2: return polygon(at(0, -1.3) + at(1.2, .8) + at(-1.2, .8));
    case 3: return polygon(at(0, -1.4) + at(1.1, 0) + at(0, 1.4) + at(-1.1, 0));
    default: break;
  }
  return absl::StrCat("<circle class=\"mark\" r=\"", radius, "\" cx=\"", SvgNumber(x), "\" cy=\"",
                      SvgNumber(y), "\"/>\n");
}

}  // namespace palimpsest
