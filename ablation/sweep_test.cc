#include "ablation/sweep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "train/file_testing.h"

namespace palimpsest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Names(const std::string& text) {
  const absl::StatusOr<Sweep> sweep = ParseSweep(text, "sweep");
  EXPECT_TRUE(sweep.ok()) << sweep.status();
  const auto rows = ExpandSweep(*sweep, {});
  EXPECT_TRUE(rows.ok()) << rows.status();
  std::vector<std::string> names;
  if (rows.ok()) {
    for (const SweepRow& row : *rows) names.push_back(row.name);
  }
  return names;
}

std::string Error(const std::string& text) {
  const absl::StatusOr<Sweep> sweep = ParseSweep(text, "sweep");
  if (!sweep.ok()) return std::string(sweep.status().message());
  return std::string(ExpandSweep(*sweep, {}).status().message());
}

TEST(Sweep, WithoutAxesIsOneRow) { EXPECT_THAT(Names(R"(title: "all")"), ElementsAre("all")); }

TEST(Sweep, CombinesAxesTheLastOneFastest) {
  const std::string text = R"(
    axis { field: "optimizer.lr" value: "1e-3" value: "3e-4" }
    axis { name: "momentum" variant { name: "on" } variant { name: "off" set: "steps=7" } })";
  EXPECT_THAT(Names(text), ElementsAre("lr=1e-3, momentum=on", "lr=1e-3, momentum=off",
                                       "lr=3e-4, momentum=on", "lr=3e-4, momentum=off"));
  const auto rows = ExpandSweep(*ParseSweep(text, ""), {});
  EXPECT_EQ((*rows)[3].config.optimizer().lr(), 3e-4);
  EXPECT_EQ((*rows)[3].config.steps(), 7);
  EXPECT_EQ((*rows)[2].config.steps(), 1000);
  EXPECT_EQ((*rows)[2].config.seed(), 1u);
}

TEST(Sweep, VariesZippedFieldsTogether) {
  const std::string text = R"(axis {
    zip { field: "model.width" value: "32" value: "64" }
    zip { field: "optimizer.lr" value: "0.1" value: "0.05" } })";
  EXPECT_THAT(Names(text), ElementsAre("width/lr=32/0.1", "width/lr=64/0.05"));
  const auto rows = ExpandSweep(*ParseSweep(text, ""), {});
  EXPECT_EQ((*rows)[1].config.model().width(), 64);
  EXPECT_EQ((*rows)[1].config.optimizer().lr(), 0.05);
}

TEST(Sweep, NamesFieldsByTheirEndsUnlessThoseAreTheSame) {
  EXPECT_THAT(Names(R"(set: "model.block={ memory { rule { name: \"delta\" } heads: 1 } }"
                       axis { field: "model.block.0.memory.rule.name" value: "hebbian" })"),
              ElementsAre("rule=hebbian"));
  EXPECT_THAT(Names(R"(set: "model.block={ memory { heads: 1 } mlp { hidden: 32 } }"
                       axis { field: "data.mqar.vocab" value: "8" }
                       axis { field: "model.block.0.memory.heads" value: "2" }
                       axis { name: "heads" variant { name: "x" } })"),
              ElementsAre("vocab=8, model.block.0.memory.heads=2, heads=x"));
}

TEST(Sweep, VariantsOfItsOwnAreRowsByTheirNames) {
  EXPECT_THAT(Names(R"(variant { name: "full" } variant { name: "w/o warmup" set: "steps=3" })"),
              ElementsAre("full", "w/o warmup"));
}

TEST(Sweep, LeavesOutWhatIsExcluded) {
  EXPECT_THAT(Names(R"(
    axis { field: "steps" value: "1" value: "2" }
    axis { field: "batch" value: "3" value: "4" }
    exclude: "steps=2, batch=3")"),
              ElementsAre("steps=1, batch=3", "steps=1, batch=4", "steps=2, batch=4"));
}

TEST(Sweep, MergesConfigsThenSetsFieldsThenTheCommandLine) {
  const std::string dir = ScratchDir();
  WriteFile(dir + "/base", "steps: 1 batch: 1 length: 1 keep: 5");
  WriteFile(dir + "/overlay", "batch: 2 length: 2 log_every: 2");
  WriteFile(dir + "/sweep.textproto", R"(
    base: "base" set: "length=3" set: "log_every=3"
    variant { name: "a" base: "overlay" set: "log_every=4" })");
  const auto sweep = LoadSweep(dir + "/sweep.textproto");
  ASSERT_TRUE(sweep.ok()) << sweep.status();
  EXPECT_EQ(sweep->title(), "sweep");
  const auto rows = ExpandSweep(*sweep, {"keep=6"});
  ASSERT_TRUE(rows.ok()) << rows.status();
  const TrainConfig& config = (*rows)[0].config;
  EXPECT_EQ(config.steps(), 1);
  EXPECT_EQ(config.batch(), 2);
  EXPECT_EQ(config.length(), 3);
  EXPECT_EQ(config.log_every(), 4);
  EXPECT_EQ(config.keep(), 6);
  EXPECT_TRUE(config.has_eval_every());
}

TEST(Sweep, TakesSeedsOrTheirNumber) {
  EXPECT_THAT(*SweepSeeds(*ParseSweep("", "")), ElementsAre(1, 2, 3));
  EXPECT_THAT(*SweepSeeds(*ParseSweep("seeds: 2", "")), ElementsAre(1, 2));
  EXPECT_THAT(*SweepSeeds(*ParseSweep("seed: 7 seed: 0", "")), ElementsAre(7, 0));
  EXPECT_THAT(Error("seed: 1 seeds: 2"), HasSubstr("not both"));
  EXPECT_THAT(Error("seed: 1 seed: 1"), HasSubstr("twice"));
  EXPECT_THAT(Error("seeds: 0"), HasSubstr("seeds is 0"));
}

TEST(Sweep, NamesWhatIsWrong) {
  EXPECT_THAT(Error("axes { }"), HasSubstr("Sweep has no field 'axes'; did you mean 'axis'?"));
  EXPECT_THAT(Error("axis { }"), HasSubstr("axis 1 must have one of"));
  EXPECT_THAT(Error(R"(axis { field: "steps" })"), HasSubstr("axis 1 (steps) has no value"));
  EXPECT_THAT(Error(R"(axis { field: "steps" value: "1" value: "1" })"), HasSubstr("twice"));
  EXPECT_THAT(
      Error(R"(axis { field: "stps" value: "1" })"),
      HasSubstr(R"(row "stps=1": override 'stps=1': TrainConfig has no field 'stps'; did)"));
  EXPECT_THAT(Error(R"(axis { field: "seed" value: "1" })"), HasSubstr("say seed: 1 seed: 2"));
  EXPECT_THAT(Error(R"(axis { field: "steps" value: "1" } axis { field: "steps" value: "2" })"),
              HasSubstr("axis 2 (steps) varies steps, as does axis 1 (steps)"));
  EXPECT_THAT(Error(R"(axis { zip { field: "steps" value: "1" value: "2" }
                              zip { field: "batch" value: "1" } })"),
              HasSubstr("zips 2 values of steps with 1 of batch"));
  EXPECT_THAT(Error(R"(variant { set: "steps=1" })"), HasSubstr("a variant without a name"));
  EXPECT_THAT(Error(R"(variant { name: "a" } exclude: "b")"), HasSubstr("leaves out no row"));
  EXPECT_THAT(Error(R"(variant { name: "a" } exclude: "a")"), HasSubstr("every row"));
  EXPECT_THAT(Error(R"(variant { name: "full" } baseline: "ful")"),
              HasSubstr("baseline: there is no row 'ful'; did you mean 'full'?"));
  EXPECT_THAT(Error(R"(base: "/nowhere/x")"), HasSubstr("/nowhere/x"));
}

}  // namespace
}  // namespace palimpsest
