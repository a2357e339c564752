#include "examples/optimizers/loss_curve.h"

#include <gtest/gtest.h>

#include <cmath>

namespace palimpsest {
namespace {

TEST(StepsTo, InterpolatesBetweenPoints) {
  const LossCurve curve = {{10, 20, 30, 40}, {4, 2, 3, 1}};
  EXPECT_DOUBLE_EQ(StepsTo(curve, 5), 10);
  EXPECT_DOUBLE_EQ(StepsTo(curve, 3), 15);
  EXPECT_DOUBLE_EQ(StepsTo(curve, 2), 20);
  EXPECT_DOUBLE_EQ(StepsTo(curve, 1.5), 37.5);
  EXPECT_TRUE(std::isnan(StepsTo(curve, 0.5)));
}

TEST(StepsSaved, IsOfTheWayToTheLowestLossBothReach) {
  const LossCurve base = {{100, 200}, {2, 1}};
  EXPECT_DOUBLE_EQ(StepsSaved({{100, 200}, {1, 0.5}}, base), 0.5);
  EXPECT_DOUBLE_EQ(StepsSaved(base, base), 0);
  // 200 steps to 1.5, where the base needs 150.
  EXPECT_DOUBLE_EQ(StepsSaved({{100, 200}, {2, 1.5}}, base), 1 - 200.0 / 150);
}

}  // namespace
}  // namespace palimpsest
