#include "ablation/statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

namespace palimpsest {
namespace {

using ::testing::ElementsAre;

TEST(StudentTwoSided, IsThatOfTheBooks) {
  struct Row {
    double t, freedom, p;
  };
  // Of 30 digits by mpmath's regularized incomplete beta function.
  for (const Row& row : std::vector<Row>{{2.5, 3, 0.0877066470080655473},
                                         {0.001, 7, 0.999230017244998844},
                                         {0.5, 2.7, 0.654947061995761476},
                                         {40, 5, 1.84119621717729544e-7},
                                         {3.1, 61.5, 0.00291836830604732626},
                                         {1.95996398454005, 1e6, 0.0500002772952216081},
                                         {12.5, 2, 0.00633920810354468364}}) {
    EXPECT_NEAR(StudentTwoSided(row.t, row.freedom), row.p, 1e-9 * row.p) << row.t;
    EXPECT_EQ(StudentTwoSided(-row.t, row.freedom), StudentTwoSided(row.t, row.freedom));
  }
}

// Of one degree it is Cauchy's, of two it has no special functions either.
TEST(StudentTwoSided, HasTheClosedFormsOfOneAndTwoDegrees) {
  for (const double t : {0.0, 1e-6, 0.3, 1.0, 4.0, 1e4, 1e12}) {
    const double one =
        t > 1 ? 2 / std::numbers::pi * std::atan(1 / t) : 1 - 2 / std::numbers::pi * std::atan(t);
    EXPECT_NEAR(StudentTwoSided(t, 1), one, 1e-12 * one) << t;
    const double root = std::sqrt(2 + t * t), two = 2 / (root * (root + t));
    EXPECT_NEAR(StudentTwoSided(t, 2), two, 1e-12 * two) << t;
  }
  EXPECT_EQ(StudentTwoSided(INFINITY, 3), 0);
  EXPECT_TRUE(std::isnan(StudentTwoSided(NAN, 3)));
}

TEST(StudentQuantile, IsThatOfTheBooks) {
  EXPECT_NEAR(StudentQuantile(0.05, 1), 12.7062047361747039, 1e-10);
  EXPECT_NEAR(StudentQuantile(0.05, 2), 4.30265272974946372, 1e-11);
  EXPECT_NEAR(StudentQuantile(0.05, 9), 2.26215716279820551, 1e-11);
  EXPECT_NEAR(StudentQuantile(0.05, 100), 1.98397151852355226, 1e-11);
  EXPECT_NEAR(StudentQuantile(0.01, 4), 4.6040948713499932, 1e-11);
  EXPECT_NEAR(StudentQuantile(0.05, 2.941176), 3.2187589133427366, 1e-11);
}

TEST(EstimateOf, IsStudentsInterval) {
  const Estimate e = EstimateOf({1, 2, 4.5});
  EXPECT_DOUBLE_EQ(e.mean, 2.5);
  EXPECT_NEAR(e.deviation, std::sqrt((2.25 + 0.25 + 4) / 2), 1e-12);
  EXPECT_NEAR(e.half_width, 4.30265272974946372 * e.deviation / std::sqrt(3.0), 1e-12);
  EXPECT_EQ(EstimateOf({3}).mean, 3);
  EXPECT_TRUE(std::isnan(EstimateOf({3}).deviation));
  EXPECT_TRUE(std::isnan(EstimateOf({3}).half_width));
  EXPECT_NEAR(EstimateOf(std::vector<double>(100, 7)).half_width, 0, 1e-12);
}

TEST(PairedDifference, IsAOneSampleTestOfTheDifferences) {
  const Difference d = PairedDifference({1, 2, 4.5}, {0.5, 1.25, 3});
  EXPECT_NEAR(d.mean, 11.0 / 12, 1e-12);
  EXPECT_EQ(d.freedom, 2);
  EXPECT_NEAR(d.half_width, 1.29278625313556622, 1e-9);
  EXPECT_NEAR(d.p, 0.0927352912734452337, 1e-9);
}

TEST(WelchDifference, TakesEachSidesOwnSpread) {
  const Difference d = WelchDifference({1, 2, 4.5}, {0.5, 1.25});
  EXPECT_NEAR(d.mean, 1.625, 1e-12);
  EXPECT_NEAR(d.freedom, 2.46970171280354188, 1e-9);
  EXPECT_NEAR(d.half_width, 3.98966422202339082, 1e-9);
  EXPECT_NEAR(d.p, 0.256531289951023572, 1e-9);
}

// What rounding leaves of differences that are equal is no spread.
TEST(Differences, WithoutSpreadHaveNoChance) {
  for (const Difference& d :
       {PairedDifference({0.1, 0.2, 0.3}, {1.1, 1.2, 1.3}), WelchDifference({1, 1}, {2, 2, 2})}) {
    EXPECT_NEAR(d.mean, -1, 1e-12);
    EXPECT_EQ(d.half_width, 0);
    EXPECT_TRUE(std::isnan(d.p));
  }
  EXPECT_EQ(PairedDifference({1, 2}, {1, 2}).mean, 0);
}

TEST(HolmAdjusted, MultipliesAndNeverFalls) {
  EXPECT_THAT(HolmAdjusted({0.01, 0.04, 0.03, 0.005}),
              ElementsAre(::testing::DoubleEq(0.03), ::testing::DoubleEq(0.06),
                          ::testing::DoubleEq(0.06), ::testing::DoubleEq(0.02)));
  EXPECT_THAT(HolmAdjusted({0.7, NAN, 0.6}), ElementsAre(1.0, ::testing::IsNan(), 1.0));
  EXPECT_THAT(HolmAdjusted({}), ElementsAre());
}

}  // namespace
}  // namespace palimpsest
