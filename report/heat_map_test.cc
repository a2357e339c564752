#include "report/heat_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

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

HeatMap Levels() {
  return {.title = "a < b",
          .x_label = "step",
          .x = {10, 20, 30},
          .rows = {{"fast", {1e-3, 2e-3, 1e-1}, {false, false, false}},
                   {"slow", {NAN, 1e-9, 0}, {false, true, true}}}};
}

TEST(HeatScaleOf, HoldsWhatIsAlive) {
  const HeatScale scale = HeatScaleOf("ratio", {Levels()});
  EXPECT_NEAR(scale.low, 1e-3, 1e-12);
  EXPECT_NEAR(scale.high, 1e-1, 1e-12);
  const HeatScale none = HeatScaleOf("ratio", {});
  EXPECT_LT(none.low, none.high);
}

TEST(HeatMapSvg, HasACellForEachValueAndOneMarkForWhatIsDead) {
  const HeatMap map = Levels();
  const std::string svg = HeatMapSvg(map, HeatScaleOf("ratio", {map}));
  EXPECT_EQ(Count(svg, " fill=\"#"), 3u);
  // The ends of the scale: the least and the largest value.
  EXPECT_THAT(svg, AllOf(HasSubstr("fill=\"#440154\""), HasSubstr("fill=\"#fde725\"")));
  EXPECT_EQ(Count(svg, "class=\"dead\""), 1u);
  EXPECT_EQ(Count(svg, ">dead<"), 1u);
  EXPECT_THAT(svg, AllOf(HasSubstr("a &lt; b"), HasSubstr(">fast<"), HasSubstr(">slow<"),
                         HasSubstr(">step<"), Not(HasSubstr("nan"))));
}

TEST(HeatMapSvg, TakesOneColumnOrNone) {
  HeatMap map = Levels();
  map.x = {10};
  map.rows = {{std::string(200, 'x'), {1}, {false}}};
  const std::string svg = HeatMapSvg(map, HeatScaleOf("ratio", {map}));
  EXPECT_EQ(Count(svg, " fill=\"#"), 1u);
  EXPECT_THAT(svg, HasSubstr("xxx…xxx"));
  EXPECT_THAT(HeatMapSvg({.title = "none", .x_label = "step", .x = {}, .rows = {}}, {}),
              Not(HasSubstr("nan")));
}

TEST(HeatMapSvg, HasItsTicksWithinTheCells) {
  HeatMap map = Levels();
  map.x = {100, 200, 300};
  const std::string svg = HeatMapSvg(map, HeatScaleOf("ratio", {map}));
  EXPECT_THAT(svg, AllOf(HasSubstr(">100<"), HasSubstr(">200<"), HasSubstr(">300<"),
                         Not(HasSubstr(">0<")), Not(HasSubstr(">400<"))));
}

TEST(HeatScaleSvg, IsLabelledWithinItsEnds) {
  const std::string svg = HeatScaleSvg({"ratio", 1e-6, 1e-1});
  EXPECT_THAT(svg, AllOf(HasSubstr(">ratio<"), HasSubstr(">1e-6<"), HasSubstr(">1e-1<"),
                         HasSubstr(">dead<"), Not(HasSubstr(">1e0<"))));
}

}  // namespace
}  // namespace palimpsest
