// A run that is stopped, or whose disk fails, at any system call it makes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "tests/fault_testing.h"
#include "train/file_testing.h"

namespace palimpsest {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class FaultTest : public testing::TestWithParam<std::string> {
 protected:
  FaultTest() {
    const RunToBreak whole;
    const ProcessResult result = Palimpsest(whole.Args());
    EXPECT_EQ(result.code, 0) << result.err;
    expected_ = ResultOf(whole.run_dir);
    EXPECT_EQ(expected_.metrics.size(), 6u);
  }

  // One line that says where and why, and what is left to go on from.
  void ExpectClearError(const ProcessResult& result) const {
    EXPECT_EQ(result.code, 1);
    EXPECT_THAT(result.err, StartsWith("palimpsest: "));
    EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
    EXPECT_THAT(result.err, HasSubstr(run_.run_dir));
    EXPECT_THAT(result.err,
                AnyOf(HasSubstr("No space left on device"), HasSubstr("Input/output error")));
    for (const int step : {2, 4}) {
      if (result.err.find("goes on from step " + std::to_string(step)) == std::string::npos)
        continue;
      const auto found = LoadNewestCheckpoint(run_.run_dir + "/checkpoints");
      ASSERT_TRUE(found.ok()) << found.status();
      // Newer where it was in place and only the flush of its folder failed.
      EXPECT_GE(found->checkpoint.step, step);
    }
  }

  void ExpectResumes() const {
    const std::string checkpoints = run_.run_dir + "/checkpoints";
    std::vector<std::string> broken;
    for (const int step : {2, 4}) {
      const std::string path = CheckpointPath(checkpoints, step);
      if (std::filesystem::exists(path) && !LoadCheckpoint(path).ok()) broken.push_back(path);
    }
    const ProcessResult result = Palimpsest(run_.Resume());
    ASSERT_EQ(result.code, 0) << result.err;
    for (const std::string& path : broken) EXPECT_THAT(result.out, HasSubstr("ignored  " + path));
    const RunResult found = ResultOf(run_.run_dir);
    ExpectSameBits(found, expected_);
    EXPECT_EQ(found.metrics, expected_.metrics);
    for (const std::string& dir : {run_.run_dir, checkpoints})
      for (const std::string& name : NamesIn(dir)) EXPECT_THAT(name, Not(HasSubstr(".partial.")));
    EXPECT_TRUE(std::filesystem::exists(run_.run_dir + "/summary.json"));
  }

  // Fails each call of a run that starts with what `prepare` leaves.
  template <typename Prepare>
  void FailEachCall(const std::vector<std::string>& args, Prepare prepare) const {
    int calls = 0;
    prepare();
    ASSERT_EQ(TrainWithFault(args, run_.run_dir, "", &calls).code, 0);
    ASSERT_GT(calls, 40);
    for (int n = 1; n <= calls && !HasFailure(); ++n) {
      const std::string fault = GetParam() + "@" + std::to_string(n);
      SCOPED_TRACE(fault);
      prepare();
      const ProcessResult result = TrainWithFault(args, run_.run_dir, fault);
      const bool killed = GetParam() == "kill" || GetParam() == "power";
      if (killed) {
        EXPECT_EQ(result.code, 128 + SIGKILL);
      } else if (result.code != 0) {
        ExpectClearError(result);
      }
      ExpectResumes();
    }
  }

  const RunToBreak run_;
  RunResult expected_;
};

TEST_P(FaultTest, FromTheStart) {
  FailEachCall(run_.Args(), [&] { std::filesystem::remove_all(run_.run_dir); });
}

TEST_P(FaultTest, FromACheckpoint) {
  ASSERT_EQ(Palimpsest(run_.Args({"steps=2"})).code, 0);
  const std::string saved = run_.dir + "/saved";
  std::filesystem::copy(run_.run_dir, saved, std::filesystem::copy_options::recursive);
  ASSERT_EQ(Palimpsest(run_.Resume()).code, 0);
  const RunResult resumed = ResultOf(run_.run_dir);
  ExpectSameBits(resumed, expected_);
  expected_ = resumed;  // It was evaluated whole after what then was its last step.
  FailEachCall(run_.Resume(), [&] {
    std::filesystem::remove_all(run_.run_dir);
    std::filesystem::copy(saved, run_.run_dir, std::filesystem::copy_options::recursive);
  });
}

INSTANTIATE_TEST_SUITE_P(All, FaultTest, testing::Values("kill", "power", "EIO", "full", "short"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace palimpsest
