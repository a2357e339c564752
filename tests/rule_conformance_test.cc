// What every memory rule must be (conformance/checks.h), rule by rule, check by check.
#include <string>
#include <tuple>

#include "conformance/checks.h"
#include "gtest/gtest.h"
#include "tests/rule_rows.h"

namespace palimpsest {

void PrintTo(const Check& check, std::ostream* os) { *os << check.meaning; }

namespace {

class RuleConformance : public testing::TestWithParam<std::tuple<RuleConfig, Check>> {};

TEST_P(RuleConformance, Holds) {
  const auto& [rule, check] = GetParam();
  Measurements measurements;
  check.run(rule, {}, &measurements);
  EXPECT_FALSE(measurements.empty());
  for (const Measurement& failure : Failures(measurements)) ADD_FAILURE() << Describe(failure);
}

INSTANTIATE_TEST_SUITE_P(Rules, RuleConformance,
                         testing::Combine(testing::ValuesIn(SuiteRows()),
                                          testing::ValuesIn(Checks())),
                         [](const auto& info) {
                           return RowName(std::get<RuleConfig>(info.param)) + "_" +
                                  std::get<Check>(info.param).name;
                         });

}  // namespace
}  // namespace palimpsest
