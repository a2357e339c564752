#include "examples/optimizers/statistics.h"

#include <gtest/gtest.h>

#include <cmath>

namespace palimpsest {
namespace {

TEST(EstimateOf, IsStudentsInterval) {
  const Estimate e = EstimateOf({1, 2, 4.5});
  EXPECT_DOUBLE_EQ(e.mean, 2.5);
  EXPECT_NEAR(e.deviation, std::sqrt((2.25 + 0.25 + 4) / 2), 1e-12);
  EXPECT_NEAR(e.half_width, 4.303 * e.deviation / std::sqrt(3.0), 1e-12);
  EXPECT_EQ(EstimateOf({3}).mean, 3);
  EXPECT_TRUE(std::isnan(EstimateOf({3}).half_width));
  EXPECT_NEAR(EstimateOf(std::vector<double>(100, 7)).half_width, 0, 1e-12);
}

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
