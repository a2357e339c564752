#include "ablation/sweep_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "ablation/sweep_testing.h"
#include "absl/strings/str_replace.h"
#include "train/file_testing.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A variant for each behaviour of the FakeProgram.
std::string Behaviours(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names)
    text += "variant { name: \"" + name + "\" set: \"grad_accumulation=" + name + "\" } ";
  return text;
}

struct Result {
  SweepOutcome outcome;
  std::string printed;
};

Result RunAll(SweepDir* sweep, const SweepOptions& options = {.jobs = 2, .threads = 1}) {
  FILE* out = std::tmpfile();
  absl::StatusOr<SweepOutcome> outcome = absl::UnknownError("");
  {
    Progress progress(out);
    outcome = RunSweep(sweep, options, &progress);
  }
  EXPECT_TRUE(outcome.ok()) << outcome.status();
  std::rewind(out);
  std::string printed;
  for (int c; (c = std::fgetc(out)) != EOF;) printed.push_back(static_cast<char>(c));
  std::fclose(out);
  return {outcome.ok() ? *outcome : SweepOutcome(), printed};
}

std::vector<std::string> Statuses(const SweepDir& sweep) {
  std::vector<std::string> statuses;
  const auto manifest = ReadSweepManifest(sweep.path());
  for (const SweepManifest::Row& row : manifest->rows) {
    for (const SweepManifest::Run& run : row.runs) statuses.push_back(run.status);
  }
  return statuses;
}

std::string RunFile(const SweepDir& sweep, size_t row, const std::string& name) {
  return sweep.RunPath(sweep.manifest().rows[row].runs[0]) + "/" + name;
}
int Starts(const SweepDir& sweep, size_t row) {
  if (!std::filesystem::exists(RunFile(sweep, row, "starts"))) return 0;
  const std::string starts = ReadFile(RunFile(sweep, row, "starts"));
  return static_cast<int>(std::count(starts.begin(), starts.end(), '\n'));
}

TEST(SweepRunner, RunsEverythingOnceAndSkipsWhatIsComplete) {
  const auto sweep = FakeSweep(ScratchDir(), TinyPlan("seeds: 3"));
  const Result first = RunAll(sweep.get());
  EXPECT_EQ(first.outcome.complete, 3);
  EXPECT_THAT(Statuses(*sweep), ElementsAre("complete", "complete", "complete"));
  EXPECT_THAT(first.printed, HasSubstr("val_loss 0.2500  val_accuracy 50.0%  3 steps in 0:02"));
  EXPECT_THAT(ReadFile(RunFile(*sweep, 0, "starts")),
              AllOf(HasSubstr("train --config=" + sweep->path() + "/configs/"),
                    HasSubstr(" --resume threads=1")));
  std::filesystem::remove_all(sweep->RunPath(sweep->manifest().rows[0].runs[1]));
  EXPECT_EQ(RunAll(sweep.get()).outcome.complete, 3);
  EXPECT_EQ(Starts(*sweep, 0), 1);
}

TEST(SweepRunner, ClassesFailuresAndTriesAgainWhatMayGoBetter) {
  const auto sweep = FakeSweep(
      ScratchDir(), TinyPlan("seeds: 1 " + Behaviours({"3", "4", "9", "5", "8", "6", "1"})));
  const Result result = RunAll(sweep.get());
  EXPECT_THAT(Statuses(*sweep), ElementsAre("not finite", "complete", "complete", "failed",
                                            "failed", "failed", "complete"));
  EXPECT_EQ(Starts(*sweep, 0), 1);
  EXPECT_EQ(Starts(*sweep, 1), 2);
  EXPECT_EQ(Starts(*sweep, 2), 2);
  EXPECT_EQ(Starts(*sweep, 3), 1);
  EXPECT_EQ(result.outcome.complete, 3);
  ASSERT_EQ(result.outcome.failed.size(), 4u);
  EXPECT_EQ(result.outcome.failed[0].how, "not finite");
  EXPECT_THAT(result.outcome.failed[0].last,
              ElementsAre("this is 3", "palimpsest: the loss is nan"));
  EXPECT_THAT(result.outcome.failed[3].last.back(), HasSubstr("left no summary"));
  EXPECT_THAT(result.printed, HasSubstr("out of memory  to be tried again"));

  // What was not finite would be again; the rest is tried.
  RunAll(sweep.get());
  EXPECT_EQ(Starts(*sweep, 0), 1);
  EXPECT_EQ(Starts(*sweep, 3), 2);
  EXPECT_EQ(Starts(*sweep, 6), 1);
}

TEST(SweepRunner, TriesAgainAsOftenAsTheSweepSays) {
  const auto sweep = FakeSweep(
      ScratchDir(), TinyPlan("seeds: 1 retries { other: 2 killed: 0 } " + Behaviours({"5", "9"})));
  RunAll(sweep.get());
  EXPECT_EQ(Starts(*sweep, 0), 3);
  EXPECT_THAT(Statuses(*sweep), ElementsAre("failed", "killed"));
}

TEST(SweepRunner, DoesNotTakeAnotherConfigsRunForItsOwn) {
  const auto sweep = FakeSweep(ScratchDir(), TinyPlan("seeds: 1"));
  RunAll(sweep.get());
  const std::string config = RunFile(*sweep, 0, "config.textproto");
  WriteFile(config, absl::StrReplaceAll(ReadFile(config), {{"length: 16", "length: 17"}}));
  const Result again = RunAll(sweep.get());
  ASSERT_EQ(again.outcome.failed.size(), 1u);
  EXPECT_THAT(again.outcome.failed[0].last.back(), HasSubstr("was trained with another config"));
  EXPECT_EQ(Starts(*sweep, 0), 1);
}

TEST(SweepRunner, WaitsForARunThatAnotherProcessTrains) {
  const auto sweep = FakeSweep(ScratchDir(), TinyPlan("seeds: 1"));
  const std::string run = sweep->RunPath(sweep->manifest().rows[0].runs[0]);
  std::filesystem::create_directories(run);
  FILE* lock = std::fopen((run + "/lock").c_str(), "w");
  ASSERT_EQ(flock(fileno(lock), LOCK_EX), 0);
  bool started_too_early = false;
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    started_too_early = Starts(*sweep, 0) > 0;
    std::fclose(lock);
  });
  EXPECT_EQ(RunAll(sweep.get()).outcome.complete, 1);
  other.join();
  EXPECT_FALSE(started_too_early);
}

TEST(SweepRunner, GoesOnWhereItsFolderCannotBeWritten) {
  const auto sweep = FakeSweep(ScratchDir(), TinyPlan("seeds: 2"));
  const std::string run = sweep->RunPath(sweep->manifest().rows[0].runs[0]);
  WriteFile(run, "a file where the run's folder belongs");
  const Result result = RunAll(sweep.get());
  EXPECT_EQ(result.outcome.complete, 1);
  ASSERT_EQ(result.outcome.failed.size(), 1u);
  EXPECT_THAT(result.outcome.failed[0].last.back(), HasSubstr(run));
}

// In a process of its own, which a signal ends; returns its exit code, or 128 and the signal.
int RunUntil(const std::string& dir, const std::string& file, int signal) {
  const pid_t parent = fork();
  if (parent == 0) {
    const auto sweep = SweepDir::Open(dir + "/sweep");
    if (!(*sweep)->Prepare(nullptr, {dir + "/fake", {}}, OnChange::kRefuse, OnChange::kRefuse).ok())
      _exit(99);
    FILE* out = std::fopen((dir + "/out").c_str(), "w");
    Progress progress(out);
    const auto outcome = RunSweep(sweep->get(), {.jobs = 1, .threads = 1}, &progress);
    std::fflush(out);
    _exit(outcome.ok() && outcome->stopped ? 75 : 98);
  }
  for (int i = 0; i < 1000 && !std::filesystem::exists(file); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  kill(parent, signal);
  int status = 0;
  waitpid(parent, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(SweepRunner, LetsRunsSaveWhenItIsInterruptedAndGoesOn) {
  const std::string dir = ScratchDir();
  auto sweep = FakeSweep(dir, TinyPlan("seeds: 1 " + Behaviours({"1", "75"})));
  const std::string stopping = RunFile(*sweep, 1, "metrics.jsonl");
  sweep.reset();
  EXPECT_EQ(RunUntil(dir, stopping, SIGINT), 75);
  sweep = *SweepDir::Open(dir + "/sweep");
  ASSERT_TRUE(
      sweep->Prepare(nullptr, {dir + "/fake", {}}, OnChange::kRefuse, OnChange::kRefuse).ok());
  EXPECT_THAT(Statuses(*sweep), ElementsAre("complete", "stopped"));
  EXPECT_EQ(RunAll(sweep.get()).outcome.complete, 2);
  EXPECT_EQ(Starts(*sweep, 0), 1);
}

TEST(SweepRunner, SaysThatARunWasStoppedBeforeItsFirstLoggedStep) {
  const std::string dir = ScratchDir();
  auto sweep = FakeSweep(dir, TinyPlan("seeds: 1 " + Behaviours({"100", "1"})));
  const std::string begun = RunFile(*sweep, 0, "begun");
  sweep.reset();
  EXPECT_EQ(RunUntil(dir, begun, SIGINT), 75);
  sweep = *SweepDir::Open(dir + "/sweep");
  ASSERT_TRUE(
      sweep->Prepare(nullptr, {dir + "/fake", {}}, OnChange::kRefuse, OnChange::kRefuse).ok());
  EXPECT_THAT(Statuses(*sweep), ElementsAre("stopped", "waiting"));
}

TEST(SweepRunner, LosesNothingWhenItIsKilled) {
  const std::string dir = ScratchDir();
  auto sweep = FakeSweep(dir, TinyPlan("seeds: 1 " + Behaviours({"1", "75"})));
  const std::string stopping = RunFile(*sweep, 1, "metrics.jsonl");
  sweep.reset();
  EXPECT_EQ(RunUntil(dir, stopping, SIGKILL), 128 + SIGKILL);
  sweep = *SweepDir::Open(dir + "/sweep");
  ASSERT_TRUE(
      sweep->Prepare(nullptr, {dir + "/fake", {}}, OnChange::kRefuse, OnChange::kRefuse).ok());
  EXPECT_EQ(RunAll(sweep.get()).outcome.complete, 2);
  EXPECT_EQ(Starts(*sweep, 0), 1);
  EXPECT_EQ(Starts(*sweep, 1), 2);
}

}  // namespace
}  // namespace palimpsest
