#include "ablation/run_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "ablation/run_testing.h"
#include "ablation/sweep_manifest.h"
#include "train/file_testing.h"
#include "train/sealed_text.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Key;

RunSet Read(const std::vector<std::string>& paths) {
  const absl::StatusOr<RunSet> set = ReadRuns(paths);
  EXPECT_TRUE(set.ok()) << std::string(set.status().message());
  return *set;
}

std::string Problem(const std::vector<std::string>& paths) {
  return std::string(ReadRuns(paths).status().message());
}

TEST(ReadRun, ReadsConfigCurvesAndSummary) {
  const std::string dir = ScratchDir();
  WriteFakeRun(dir, {.seed = 7, .val_loss = 1.25});
  const RunRecord run = ReadRun(dir);
  EXPECT_EQ(run.status, RunStatus::kComplete);
  EXPECT_EQ(run.problem, "");
  EXPECT_EQ(run.seed, 7u);
  EXPECT_EQ(run.version, "v0-test");
  EXPECT_EQ(run.summary->val_loss, 1.25);
  EXPECT_EQ(run.config.at("model.block.0.memory.rule.name"), "\"delta\"");
  EXPECT_EQ(run.curves.at("loss").steps.size(), 40u);
  EXPECT_EQ(run.curves.at("val_loss").steps.back(), 400);
  EXPECT_EQ(run.curves.at("blocks.0.mlp.levels.0.updates").values.back(), 4);
}

TEST(ReadRun, StepsMadeAgainReplaceThoseBefore) {
  const std::string dir = ScratchDir();
  WriteFakeRun(dir, {});
  WriteFile(dir + "/metrics.jsonl",
            "{\"step\":1,\"loss\":3}\n{\"step\":2,\"loss\":null}\n{\"step\":2,\"loss\":2}\n"
            "{\"step\":3,\"loss\":null}\n{\"step\":4,\"lo");
  const RunRecord run = ReadRun(dir);
  EXPECT_THAT(run.curves.at("loss").steps, ElementsAre(1, 2, 3));
  EXPECT_THAT(run.curves.at("loss").values, ElementsAre(3, 2, ::testing::IsNan()));
  EXPECT_EQ(run.problem, "");
}

// A flipped bit in any of its bytes is seen, or changes nothing.
TEST(ReadRun, ADamagedLineOfMetricsIsNamedAndLeftOut) {
  const std::string dir = ScratchDir();
  WriteFakeRun(dir, {});
  const std::string whole = SealJson("{\"step\":1,\"loss\":3.25}");
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    WriteFile(dir + "/metrics.jsonl", flipped + "\n" + SealJson("{\"step\":2,\"loss\":3}") + "\n");
    const RunRecord run = ReadRun(dir);
    const RunCurve& loss = run.curves.at("loss");
    EXPECT_EQ(run.status, RunStatus::kComplete);
    EXPECT_EQ(loss.values.back(), 3);
    if (run.problem.empty()) {
      EXPECT_THAT(loss.values, ElementsAre(3.25, 3)) << flipped;
    } else {
      EXPECT_THAT(run.problem, HasSubstr("metrics.jsonl: line 1 is damaged and left out"));
      EXPECT_THAT(loss.steps, ElementsAre(2)) << flipped;
    }
  }
  WriteFile(dir + "/metrics.jsonl", std::string(9 * 2, '\n'));
  EXPECT_THAT(ReadRun(dir).problem, HasSubstr("lines 1, 2, 3, 4, 5 and 13 more are damaged"));
}

TEST(ReadRun, AChangedConfigIsAProblem) {
  const std::string dir = ScratchDir();
  WriteFakeRun(dir, {});
  std::string config = ReadFile(dir + "/config.textproto");
  config.replace(config.find("0.003"), 5, "0.004");
  WriteFile(dir + "/config.textproto", config);
  const RunRecord run = ReadRun(dir);
  EXPECT_THAT(run.problem, HasSubstr("config.textproto was changed since it was written"));
  EXPECT_TRUE(run.config.empty());
}

TEST(ReadRun, BrokenFilesAreProblemsNotErrors) {
  const std::string dir = ScratchDir();
  WriteFakeRun(dir, {});
  WriteFile(dir + "/summary.json", "{");
  WriteFile(dir + "/metrics.jsonl", "what?\n{\"step\":5,\"loss\":3}\n");
  WriteFile(dir + "/config.textproto", SealTextProto("model { widht: 3 }"));
  const RunRecord run = ReadRun(dir);
  EXPECT_EQ(run.status, RunStatus::kUnfinished);
  EXPECT_EQ(run.step, 5);
  EXPECT_THAT(run.problem, AllOf(HasSubstr("did you mean 'width'"), HasSubstr("jsonl: line 1 is"),
                                 HasSubstr("summary.json is damaged")));
}

TEST(ReadRun, ALogThatEndsWithAComplaintIsOfAFailedRun) {
  const std::string dir = ScratchDir();
  WriteFakeRun(dir, {.complete = false, .log = "step 9\npalimpsest: step 9: the loss is nan\n\n"});
  EXPECT_EQ(ReadRun(dir).status, RunStatus::kFailed);
  EXPECT_EQ(ReadRun(dir).problem, "palimpsest: step 9: the loss is nan");
  WriteFile(dir + "/log", "palimpsest v1\nstep 9\rstep 10  loss 3\n");
  EXPECT_EQ(ReadRun(dir).status, RunStatus::kUnfinished);
}

TEST(ReadRuns, BareRunsAreRowsByWhatBearsOnResults) {
  const std::string dir = ScratchDir();
  WriteFakeRun(dir + "/a", {.seed = 1, .more_config = "threads: 1"});
  WriteFakeRun(dir + "/b", {.seed = 2, .more_config = "threads: 2 log_every: 7"});
  WriteFakeRun(dir + "/c", {.rule = "hebbian", .seed = 1});
  const RunSet set = Read({dir});
  ASSERT_EQ(set.rows.size(), 2u);
  EXPECT_EQ(set.rows[0].name, "rule.name=delta");
  EXPECT_EQ(set.rows[0].runs.size(), 2u);
  EXPECT_EQ(set.rows[1].name, "rule.name=hebbian");
  EXPECT_THAT(set.varied.given,
              ElementsAre(::testing::Pair("model.block.0.memory.rule.name",
                                          ElementsAre("\"delta\"", "\"hebbian\""))));
  EXPECT_EQ(set.sweep_dir, "");
}

TEST(ReadRuns, TheSameRunTwiceCountsOnce) {
  const std::string dir = ScratchDir();
  WriteFakeRun(dir + "/a", {});
  EXPECT_EQ(
      Read({dir, dir + "/a/", dir + "/../" + dir.substr(dir.rfind('/') + 1)}).rows[0].runs.size(),
      1u);
}

TEST(ReadRuns, RowsThatDifferInMuchAreNamedByTheirFolder) {
  const std::string dir = ScratchDir();
  WriteFakeRun(dir + "/plain", {});
  WriteFakeRun(dir + "/other/run",
               {.more_config = "steps: 3 batch: 4 length: 5 grad_accumulation: 2"});
  const RunSet set = Read({dir + "/plain", dir});
  EXPECT_EQ(set.rows[0].name, "plain");
  EXPECT_EQ(set.rows[1].name, "run");
}

TEST(ReadRuns, ASweepNamesItsRowsAndListsWhatIsNotThere) {
  const std::string dir = WriteFakeSweep();
  const RunSet set = Read({dir});
  EXPECT_EQ(set.title, "Rules & <recall>");
  EXPECT_EQ(set.baseline, "rule=delta");
  EXPECT_EQ(set.program, "0123abcd");
  ASSERT_EQ(set.rows.size(), 4u);
  EXPECT_EQ(set.rows[0].runs.size(), 3u);
  EXPECT_EQ(set.rows[2].runs[1].problem, "not started");
  EXPECT_EQ(set.rows[3].runs[0].status, RunStatus::kFailed);
  EXPECT_THAT(set.rows[3].runs[0].problem, HasSubstr("non-finite: palimpsest: step 200"));
  EXPECT_EQ(set.rows[3].runs[1].status, RunStatus::kUnfinished);
  EXPECT_THAT(set.varied.given, Contains(Key("model.block.0.memory.rule.name")));
}

TEST(ReadRuns, TwoSweepsShareRowsOfOneId) {
  const std::string a = WriteFakeSweep(), b = WriteFakeSweep();
  const RunSet set = Read({a, b});
  ASSERT_EQ(set.rows.size(), 4u);
  EXPECT_EQ(set.rows[0].runs.size(), 6u);
  EXPECT_EQ(set.sweep_dir, "");
}

TEST(ReadRuns, SaysWhatIsNoRun) {
  const std::string dir = ScratchDir();
  EXPECT_THAT(Problem({}), HasSubstr("what is to be compared"));
  EXPECT_THAT(Problem({dir + "/none"}), HasSubstr("there is no " + dir));
  EXPECT_THAT(Problem({dir}), HasSubstr("is no run"));
  WriteFile(dir + "/sweep.json", "{}");
  EXPECT_THAT(Problem({dir}), HasSubstr("sweep.json is damaged"));
}

}  // namespace
}  // namespace palimpsest
