#include "ablation/sweep_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ablation/sweep.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;

constexpr char kTiny[] = R"(
  set: "data={ mqar { vocab: 32 pairs: 2 } eval_examples: 4 }"
  set: "model={ width: 8 block { memory { rule { name: \"delta\" } heads: 1 } mlp { kind: NONE } } }"
  set: "length=16" set: "batch=2" )";

absl::StatusOr<SweepPlan> Plan(const std::string& more) {
  return PlanSweep(*ParseSweep(kTiny + more, "sweep"), {});
}

TEST(SweepPlan, CompletesConfigsAndGivesEachRowItsId) {
  const auto plan = Plan(R"(axis { field: "model.width" value: "8" value: "16" } seeds: 2)");
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->rows.size(), 2u);
  EXPECT_EQ(plan->rows[0].config.model().vocab_size(), 32);
  EXPECT_GT(plan->rows[1].parameters, plan->rows[0].parameters);
  EXPECT_NE(plan->rows[0].id, plan->rows[1].id);
  const auto other_seed = Plan(R"(axis { field: "model.width" value: "16" } seed: 9)");
  EXPECT_EQ(other_seed->rows[0].id, plan->rows[1].id);
}

TEST(SweepPlan, RefusesRowsThatAreTheSame) {
  EXPECT_THAT(std::string(Plan(R"(variant { name: "a" } variant { name: "b" set: "threads=2" })")
                              .status()
                              .message()),
              HasSubstr(R"(rows "a" and "b" have the same config)"));
}

TEST(SweepPlan, NamesTheRowThatCannotBeTrained) {
  EXPECT_THAT(
      std::string(Plan(R"(axis { field: "batch" value: "2" value: "0" })").status().message()),
      HasSubstr(R"(row "batch=0": batch is 0)"));
  EXPECT_THAT(std::string(Plan(R"(axis { field: "model.block.0.memory.rule.name" value: "dleta" })")
                              .status()
                              .message()),
              HasSubstr(R"(row "rule=dleta": )"));
}

}  // namespace
}  // namespace palimpsest
