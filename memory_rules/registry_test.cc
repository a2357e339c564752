#include <limits>
#include <memory>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "memory_rules/rule.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

std::string ErrorOf(const RuleConfig& config) {
  const auto rule = MakeMemoryRule(config);
  return rule.ok() ? "ok" : std::string(rule.status().message());
}

TEST(Registry, HasTheBuiltInRules) {
  EXPECT_THAT(MemoryRuleNames(), IsSupersetOf({"delta", "gated_delta", "hebbian", "titans_mlp"}));
}

TEST(Registry, EveryRuleMakesItselfByDefaultAndSaysWhatItIs) {
  for (const std::string& name : MemoryRuleNames()) {
    const auto rule = MakeMemoryRule({name, {}});
    ASSERT_TRUE(rule.ok()) << rule.status();
    EXPECT_THAT((*rule)->equation(), testing::AnyOf(HasSubstr("_t = "), HasSubstr("W <- ")))
        << name;
    EXPECT_FALSE((*rule)->gates().empty()) << name;
  }
}

TEST(Registry, UnknownRuleNamesTheKnown) {
  EXPECT_TRUE(absl::IsNotFound(MakeMemoryRule({"gated_detla", {}}).status()));
  EXPECT_THAT(ErrorOf({"gated_detla", {}}), AllOf(HasSubstr("did you mean \"gated_delta\"?"),
                                                  HasSubstr("hebbian"), HasSubstr("titans_mlp")));
  EXPECT_THAT(ErrorOf({"transformer", {}}), Not(HasSubstr("did you mean")));
}

TEST(Registry, UnknownParameterNamesTheKnown) {
  EXPECT_TRUE(absl::IsInvalidArgument(MakeMemoryRule({"titans_mlp", {{"deptj", 2}}}).status()));
  EXPECT_THAT(
      ErrorOf({"titans_mlp", {{"deptj", 2}}}),
      AllOf(HasSubstr("\"deptj\""), HasSubstr("did you mean \"depth\"?"), HasSubstr("expansion")));
  EXPECT_THAT(ErrorOf({"delta", {{"depth", 2}}}), HasSubstr("it takes none"));
}

TEST(Registry, ParametersAreInRange) {
  EXPECT_THAT(ErrorOf({"titans_mlp", {{"depth", 0}}}),
              HasSubstr("depth = 0 is not an integer from 1 to 16"));
  EXPECT_THAT(ErrorOf({"titans_mlp", {{"depth", 1.5}}}),
              HasSubstr("depth = 1.5 is not an integer"));
  EXPECT_THAT(ErrorOf({"titans_mlp", {{"expansion", std::numeric_limits<double>::quiet_NaN()}}}),
              HasSubstr("is not a number"));
  EXPECT_EQ(ErrorOf({"titans_mlp", {{"depth", 3}}}), "ok");
}

TEST(Registry, ParametersCanBeListed) {
  const auto params = MemoryRuleParams("titans_mlp");
  ASSERT_TRUE(params.ok());
  EXPECT_EQ(params->front().name, "depth");
  EXPECT_TRUE(absl::IsNotFound(MemoryRuleParams("nothing").status()));
}

}  // namespace
}  // namespace palimpsest
