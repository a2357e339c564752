#include "report/axis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace palimpsest {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::Pointwise;
using ::testing::SizeIs;

std::vector<double> Ticks(AxisScale scale, std::vector<double> values, int most = 8) {
  return AxisMap(scale, values, most).ticks();
}

TEST(Axis, LinearTicksAreOneTwoOrFiveTimesAPowerOfTen) {
  EXPECT_THAT(Ticks(AxisScale::kLinear, {3, 997}), ElementsAre(0, 200, 400, 600, 800, 1000));
  EXPECT_THAT(Ticks(AxisScale::kLinear, {-0.31, 0.42}),
              Pointwise(DoubleNear(1e-12), {-0.4, -0.2, 0.0, 0.2, 0.4, 0.6}));
  EXPECT_THAT(Ticks(AxisScale::kLinear, {0, 10}), ElementsAre(0, 2, 4, 6, 8, 10));
}

TEST(Axis, LogarithmsHaveTicksAtPowers) {
  EXPECT_THAT(Ticks(AxisScale::kLog2, {128, 2048}), ElementsAre(128, 256, 512, 1024, 2048));
  EXPECT_THAT(Ticks(AxisScale::kLog2, {0.6, 1.1}), ElementsAre(0.5, 1, 2));
  EXPECT_THAT(Ticks(AxisScale::kLog10, {1.5, 5.5}), ElementsAre(1, 2, 5, 10));
  EXPECT_THAT(Ticks(AxisScale::kLog10, {1e-6, 1e3}, 6),
              Pointwise(DoubleNear(1e-9), {1e-6, 1e-4, 1e-2, 1.0, 100.0, 1e4}));
  EXPECT_THAT(Ticks(AxisScale::kLog2, {1, 1e300}, 5), SizeIs(testing::Le(5u)));
}

TEST(Axis, TicksHoldAllThatCanBeDrawn) {
  const std::vector<double> values = {NAN, -3, 0.02, INFINITY, 17, 0};
  for (const AxisScale scale : {AxisScale::kLinear, AxisScale::kLog2, AxisScale::kLog10}) {
    const AxisMap axis(scale, values, 8);
    for (const double v : values) {
      if (!axis.CanDraw(v)) continue;
      EXPECT_GE(axis.Place(v), 0);
      EXPECT_LE(axis.Place(v), 1);
    }
    EXPECT_FALSE(axis.CanDraw(NAN));
    EXPECT_EQ(axis.CanDraw(-3), scale == AxisScale::kLinear);
    EXPECT_EQ(axis.CanDraw(0), scale == AxisScale::kLinear);
  }
}

TEST(Axis, PlacesByValueOrByLogarithm) {
  EXPECT_DOUBLE_EQ(AxisMap(AxisScale::kLinear, {0, 10}, 8).Place(2.5), 0.25);
  EXPECT_DOUBLE_EQ(AxisMap(AxisScale::kLog2, {1, 16}, 8).Place(2), 0.25);
  EXPECT_DOUBLE_EQ(AxisMap(AxisScale::kLog10, {1, 100}, 8).Place(10), 0.5);
}

TEST(Axis, OneValueOrNoneHasRoomAroundIt) {
  for (const AxisScale scale : {AxisScale::kLinear, AxisScale::kLog2, AxisScale::kLog10}) {
    for (const std::vector<double>& values :
         {std::vector<double>{}, {NAN}, {5}, {1e16, 1e16 + 2}}) {
      const AxisMap axis(scale, values, 8);
      EXPECT_GE(axis.ticks().size(), 2u);
      EXPECT_LT(axis.ticks().front(), axis.ticks().back());
    }
  }
}

TEST(Axis, EndsWhereValuesCannotBe) {
  const AxisRange share = {0, 100};
  const auto ticks = [&](const std::vector<double>& values) {
    return AxisMap(AxisScale::kLinear, values, 8, share).ticks();
  };
  EXPECT_THAT(ticks({-300, 40, 800}), ElementsAre(0, 20, 40, 60, 80, 100));
  EXPECT_THAT(ticks({97.6, 101}), ElementsAre(97.5, 98, 98.5, 99, 99.5, 100));
  EXPECT_THAT(ticks({0}), Pointwise(DoubleNear(1e-12), {0.0, 0.2, 0.4, 0.6, 0.8, 1.0}));
  EXPECT_EQ(ticks({100, 100}).back(), 100);
}

TEST(Axis, LabelsAreShort) {
  EXPECT_EQ(TickLabel(3 * 0.1), "0.3");
  EXPECT_EQ(TickLabel(2048), "2048");
  EXPECT_EQ(TickLabel(-0.0), "0");
  EXPECT_EQ(TickLabel(5000), "5000");
  EXPECT_EQ(TickLabel(20000), "20k");
  EXPECT_EQ(TickLabel(-2.5e6), "-2.5M");
  EXPECT_EQ(TickLabel(1e9), "1G");
  EXPECT_EQ(TickLabel(1e18), "1e18");
  EXPECT_EQ(TickLabel(1e-5), "1e-5");
  EXPECT_EQ(TickLabel(1e-12), "1e-12");
  EXPECT_EQ(TickLabel(1.0 / 1024), "0.000977");
}

}  // namespace
}  // namespace palimpsest
