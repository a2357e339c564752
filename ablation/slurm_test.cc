#include "ablation/slurm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "ablation/sweep_testing.h"
#include "absl/strings/str_cat.h"
#include "train/file_testing.h"
#include "train/progress.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;

// A cluster of one node: runs a task of the array, after `before`, with a scontrol that notes what
// it is told.
int RunTask(const std::string& script, int task, const std::string& dir, const std::string& after) {
  WriteFile(dir + "/scontrol", "#!/bin/sh\necho \"$@\" >>" + dir + "/told\n");
  std::filesystem::permissions(dir + "/scontrol", std::filesystem::perms(0755));
  const std::string command =
      absl::StrCat("PATH=", dir, ":$PATH SLURM_ARRAY_JOB_ID=7 SLURM_ARRAY_TASK_ID=", task,
                   " SLURM_CPUS_PER_TASK=3 bash ", script, " & ", after, " wait $!");
  const int status = std::system(command.c_str());
  return WEXITSTATUS(status);
}

TEST(Slurm, RunsATaskForEachRunThatIsLeft) {
  const std::string dir = ScratchDir();
  const auto sweep = FakeSweep(dir, TinyPlan(R"(seeds: 1
      variant { name: "done" }
      variant { name: "fails" set: "grad_accumulation=3" }
      variant { name: "is stopped" set: "grad_accumulation=75" })"));
  const auto script = WriteSlurmScript(*sweep, {.jobs = 2, .threads = 3});
  ASSERT_TRUE(script.ok()) << script.status();
  EXPECT_THAT(ReadFile(*script), HasSubstr("#SBATCH --array=0-2%2\n#SBATCH --cpus-per-task=3\n"));
  const auto run = [&](size_t row) { return sweep->RunPath(sweep->manifest().rows[row].runs[0]); };
  EXPECT_EQ(RunTask(*script, 0, dir, ""), 0);
  EXPECT_THAT(ReadFile(run(0) + "/starts"), HasSubstr("--resume threads=3"));
  EXPECT_EQ(RunTask(*script, 1, dir, ""), 3);
  EXPECT_EQ(ReadFile(run(1) + "/exit_code"), "3\n");
  const std::string when_it_runs = absl::StrCat(
      "while [ ! -e ", run(2), "/metrics.jsonl ]; do sleep 0.02; done; kill -USR1 $!;");
  EXPECT_EQ(RunTask(*script, 2, dir, when_it_runs), 75);
  EXPECT_EQ(ReadFile(dir + "/told"), "requeue 7_2\n");

  // Here it goes on with what is left, and knows what failed.
  FILE* out = std::tmpfile();
  Progress progress(out);
  const auto outcome = RunSweep(sweep.get(), {}, &progress);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->complete, 2);
  ASSERT_EQ(outcome->failed.size(), 1u);
  EXPECT_EQ(outcome->failed[0].how, "not finite");
  EXPECT_FALSE(WriteSlurmScript(*sweep, {}).ok());
}

}  // namespace
}  // namespace palimpsest
