#include "report/plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// What is wrong with `xml` as XML: tags that do not nest, attributes without quotes, a bare & or <.
std::string XmlProblem(const std::string& xml) {
  std::vector<std::string> open;
  for (size_t at = 0; at < xml.size();) {
    if (xml[at] == '&') {
      const std::string entity = xml.substr(at, xml.find(';', at) - at);
      if (entity != "&amp" && entity != "&lt" && entity != "&gt" && entity != "&quot")
        return "entity " + entity.substr(0, 10);
    }
    if (xml[at] != '<') {
      ++at;
      continue;
    }
    const size_t end = xml.find('>', at);
    if (end == std::string::npos) return "a tag without end";
    const std::string tag = xml.substr(at + 1, end - at - 1);
    if (tag.find('<') != std::string::npos) return "< in " + tag;
    if (std::count(tag.begin(), tag.end(), '"') != 2 * std::count(tag.begin(), tag.end(), '='))
      return "quotes of " + tag;
    const std::string name = tag.substr(0, tag.find_first_of(" /", 1));
    if (tag[0] == '/') {
      if (open.empty() || "/" + open.back() != tag) return "closes " + tag;
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(name);
    }
    at = end + 1;
  }
  return open.empty() ? "" : "open: " + open.back();
}

Plot TwoLines() {
  return {.title = "a < b & \"c\"",
          .x = {"width", AxisScale::kLog2},
          .y = {"mean |x|"},
          .series = {{"first", {128, 256, 512}, {1, 2, 3}},
                     {"second<>", {128, 256, 512}, {2, 1, 0.5}, {0.1, 0.2, 0.1}}}};
}

TEST(PlotSvg, IsOneWellFormedElementWithEverySeries) {
  const std::string svg = PlotSvg({TwoLines()});
  EXPECT_EQ(XmlProblem(svg), "");
  EXPECT_EQ(svg.rfind("<svg ", 0), 0u);
  EXPECT_THAT(svg, AllOf(HasSubstr("a &lt; b &amp; &quot;c&quot;"), HasSubstr("second&lt;&gt;"),
                         HasSubstr(">mean |x|<"), HasSubstr(">512<"), Not(HasSubstr("script")),
                         Not(HasSubstr("no data")), Not(HasSubstr("nan"))));
  EXPECT_EQ(Count(svg, "<path"), 2u);
  EXPECT_EQ(Count(svg, "<polygon"), 1u);
  EXPECT_EQ(Count(svg, "<circle"), 6u + 2u);  // And those of the legend.
  // In the title of its line and in the legend.
  EXPECT_EQ(Count(svg, ">first<"), 2u);
}

TEST(PlotSvg, WhatCannotBeDrawnIsAGap) {
  Plot plot = TwoLines();
  plot.series = {{"gap", {1, 2, 3, 4, 5}, {1, 2, NAN, 4, 5}}};
  std::string svg = PlotSvg({plot});
  EXPECT_EQ(Count(svg, "M"), 2u);
  EXPECT_EQ(Count(svg, "<circle"), 4u + 1u);
  plot.y.scale = AxisScale::kLog10;
  plot.series = {{"zero", {1, 2, 3}, {1, 0, 10}, {0, 0, 20}}};
  svg = PlotSvg({plot});
  EXPECT_EQ(XmlProblem(svg), "");
  EXPECT_EQ(Count(svg, "M"), 2u);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(PlotSvg, ALongLineHasNoMarksButAtAPointAlone) {
  Plot plot = TwoLines();
  plot.series.assign(1, {"long", {}, {}});
  for (int i = 1; i <= 100; ++i) {
    plot.series[0].x.push_back(i);
    plot.series[0].y.push_back(i == 2 ? NAN : i);
  }
  plot.legend = false;
  EXPECT_EQ(Count(PlotSvg({plot}), "<circle"), 1u);
}

// Of 98 +- 5 percent a part is none.
TEST(PlotSvg, ABarEndsWithAnArrowWhereValuesCannotBe) {
  Plot plot = TwoLines();
  plot.series = {{"one", {128}, {98}, {5}}, {"other", {256}, {50}, {5}}};
  EXPECT_EQ(Count(PlotSvg({plot}), "arrow"), 0u);
  EXPECT_THAT(PlotSvg({plot}), HasSubstr(">110<"));
  plot.y.range = {0, 100};
  const std::string svg = PlotSvg({plot});
  EXPECT_EQ(XmlProblem(svg), "");
  EXPECT_EQ(Count(svg, "arrow"), 1u);
  EXPECT_THAT(svg, AllOf(HasSubstr(">100<"), Not(HasSubstr(">110<"))));
  plot.series[0].deviation = {500};
  EXPECT_EQ(Count(PlotSvg({plot}), "arrow"), 2u);
}

TEST(PlotSvg, PointsThatWouldHideOneAnotherStandSideBySide) {
  Plot plot = TwoLines();
  plot.legend = false;
  plot.series = {{"a", {128}, {1}}, {"b", {512}, {1}}, {"c", {128}, {1}}, {"d", {129}, {1}}};
  const std::string svg = PlotSvg({plot});
  std::vector<double> places;
  for (size_t at = svg.find("cx=\""); at != std::string::npos; at = svg.find("cx=\"", at + 1))
    places.push_back(std::stod(svg.substr(at + 4)));
  ASSERT_EQ(places.size(), 4u);
  EXPECT_NEAR(places[2] - places[0], 7, 1);
  EXPECT_GT(places[3] - places[2], 7);
  EXPECT_LT(places[3] - places[2], 10);
  EXPECT_NEAR((places[0] + places[3]) / 2, 66 + 2, 3);
  EXPECT_NEAR(places[1], 66 + 440, 1e-9);
}

TEST(PlotSvg, WithoutDataItSaysSo) {
  Plot plot = TwoLines();
  plot.series = {};
  EXPECT_THAT(PlotSvg({plot}), HasSubstr("no data"));
  plot.series = {{"empty", {}, {}}, {"not finite", {1}, {INFINITY}}};
  const std::string svg = PlotSvg({plot});
  EXPECT_EQ(XmlProblem(svg), "");
  EXPECT_THAT(svg, HasSubstr("no data"));
  EXPECT_EQ(XmlProblem(PlotSvg({})), "");
}

TEST(PlotSvg, SeveralStandInRows) {
  const std::string svg = PlotSvg({TwoLines(), TwoLines(), TwoLines()}, 2);
  EXPECT_EQ(XmlProblem(svg), "");
  EXPECT_EQ(Count(svg, "<svg"), 1u);
  EXPECT_EQ(Count(svg, "translate(0.00 0.00)"), 1u);
  EXPECT_EQ(Count(svg, "translate(0.00 "), 2u);
  EXPECT_EQ(Count(svg, "class=\"frame\""), 3u);
}

TEST(PlotSvg, MoreSeriesThanColoursDiffer) {
  Plot plot = TwoLines();
  plot.series.assign(30, plot.series[0]);
  const std::string svg = PlotSvg({plot});
  EXPECT_EQ(Count(svg, "<path class=\"line\" d="), 14u);
  EXPECT_EQ(Count(svg, "stroke-dasharray=\"6 3\""), 16u);
  EXPECT_EQ(Count(svg, "<circle"), 8u * 4u);  // Then squares, triangles, diamonds.
  // 30 lines of the legend are taller than the plot.
  EXPECT_THAT(svg, HasSubstr("height=\"708.00\""));
}

}  // namespace
}  // namespace palimpsest
