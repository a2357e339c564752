#include "ablation/sweep_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ablation/sweep.h"
#include "core/allocator.h"
#include "train/file_testing.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
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

TEST(SweepPlan, TakesNoMemoryForParametersAndRefusesThoseThatDoNotFit) {
  Allocator::Of(Device::kCpu).ResetPeak();
  const auto large = Plan(
      R"(set: "model.width=2048" set: "model.layers=40" set: "model.block.0.memory.heads=16" seeds: 1)");
  ASSERT_TRUE(large.ok()) << large.status();
  EXPECT_GT(large->rows[0].parameters, 600'000'000);
  EXPECT_LT(Allocator::Of(Device::kCpu).stats().peak_bytes, 250'000'000);
  const std::string huge =
      R"(set: "model.block.0.memory.heads=50000" axis { field: "model.width" value: "1000000" })";
  EXPECT_THAT(std::string(Plan(huge).status().message()),
              AllOf(HasSubstr(R"(row "width=1000000": needs )"), HasSubstr("model.width")));
}

struct Mistake {
  std::string text, field;
};

// Each on top of a sweep that is right.
const Mistake kMistakes[] = {
    {R"(axsi { field: "steps" })", "axis"},
    {R"(set: "modle.width=8")", "'model'"},
    {R"(set: "model.width=eight")", "width must be"},
    {R"(set: "model.width")", "path.to.field=value"},
    {R"(set: "optimizer.schedule.kind=LINEAR")", "kind"},
    {R"(set: "data.mqar.pairs=99")", "data.mqar: 99 pairs"},
    {R"(base: "missing.textproto")", "base: "},
    {R"(base: ".")", "base: "},
    {R"(axis { field: "model.widht" value: "8" })", "'width'"},
    {R"(axis { field: "model.width" value: "8" value: "wide" })", "width must be"},
    {R"(axis { field: "model.width" value: "8" value: "8" })", "axis 1 (model.width)"},
    {R"(axis { field: "model.width" })", "axis 1 (model.width)"},
    {R"(axis { value: "8" })", "axis 1"},
    {R"(axis { zip { field: "steps" value: "1" } zip { value: "1" } })", "zip without a field"},
    {R"(axis { name: "x" variant { name: "a" base: "missing" } })", "base: "},
    {R"(variant { name: "a" } variant { name: "a" set: "steps=3" })", R"("a" twice)"},
    {R"(axis { name: "x" variant { name: "a" } variant { name: "a, y=b" set: "steps=2" } }
        axis { name: "y" variant { name: "b, y=b" set: "steps=3" } variant { name: "b" set: "steps=4" } })",
     R"(two rows are named "x=a, y=b, y=b")"},
    {R"(variant { set: "steps=3" })", "variant without a name"},
    {R"(baseline: "none")", "baseline: there is no row 'none'"},
    {R"(metric: "val_los")", "metric: there is no metric 'val_los'; did you mean 'val_loss'?"},
    {R"(seeds: 0)", "seeds is 0"},
    {R"(seeds: -3)", "seeds is -3"},
    {R"(seed: 4 seed: 4)", "seed: one is there twice"},
    {R"(seed: -1)", "seed"},
    {R"(exclude: "width=8")", R"(exclude "width=8")"},
    {R"(retries { killed: "twice" })", "killed"},
    {R"(axis { )", ""},
};

TEST(PlanSweepOf, NamesTheFileAndTheField) {
  const std::string path = ScratchDir() + "/sweep.textproto";
  WriteFile(path, kTiny);
  const auto right = PlanSweepOf(path, {});
  EXPECT_TRUE(right.ok()) << right.status();
  for (const Mistake& mistake : kMistakes) {
    WriteFile(path, kTiny + mistake.text);
    const std::string message(PlanSweepOf(path, {}).status().message());
    EXPECT_THAT(message, AllOf(HasSubstr(path), HasSubstr(mistake.field))) << mistake.text;
  }
  for (const char* wrong : {"/nowhere/sweep", "/", ""})
    EXPECT_THAT(std::string(PlanSweepOf(wrong, {}).status().message()), HasSubstr(wrong));
}

}  // namespace
}  // namespace palimpsest
