#include "ablation/job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "train/file_testing.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;

void Pause() { std::this_thread::sleep_for(std::chrono::milliseconds(10)); }

int WaitFor(Job* job) {
  for (int i = 0; i < 1000; ++i, Pause()) {
    if (const std::optional<int> status = job->Poll(); status.has_value()) return *status;
  }
  ADD_FAILURE() << "it does not end";
  return -1;
}

JobCommand Shell(const std::string& script, const std::string& dir) {
  return {.args = {"/bin/sh", "-c", script}, .directory = dir, .log = dir + "/log"};
}

TEST(Job, AppendsWhatItPrintsToItsLogAndReadsNothing) {
  const std::string dir = ScratchDir();
  WriteFile(dir + "/log", "before\n");
  const auto job = Job::Start(Shell("cat; pwd; echo wrong >&2; exit 7", dir));
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(WEXITSTATUS(WaitFor(job->get())), 7);
  EXPECT_EQ(ReadFile(dir + "/log"),
            "before\n" + std::filesystem::canonical(dir).string() + "\nwrong\n");
}

TEST(Job, IsInNoTerminalsReach) {
  const std::string dir = ScratchDir();
  const auto job = Job::Start(Shell("sleep 60", dir));
  ASSERT_TRUE(job.ok()) << job.status();
  Pause();
  (*job)->Signal(SIGTERM);
  const int status = WaitFor(job->get());
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

TEST(Job, SaysInItsLogWhyItCannotStart) {
  const std::string dir = ScratchDir();
  const auto job =
      Job::Start({.args = {"/nowhere/program"}, .directory = dir, .log = dir + "/log"});
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(WEXITSTATUS(WaitFor(job->get())), 127);
  EXPECT_THAT(ReadFile(dir + "/log"), HasSubstr("/nowhere/program: No such file"));
  EXPECT_FALSE(Job::Start({.args = {"/bin/sh"}, .directory = dir, .log = "/nowhere/log"}).ok());
}

TEST(Job, IsToldWhenItsParentIsKilled) {
  const std::string dir = ScratchDir();
  const pid_t parent = fork();
  if (parent == 0) {
    const auto job = Job::Start(Shell(
        "trap 'echo told >>told; exit 75' TERM; echo >ready; while :; do sleep 0.02; done", dir));
    pause();
    _exit(0);
  }
  const auto wait_for = [&](const std::string& file) {
    for (int i = 0; i < 1000 && access((dir + file).c_str(), F_OK) != 0; ++i) Pause();
  };
  wait_for("/ready");
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  wait_for("/told");
  EXPECT_EQ(access((dir + "/told").c_str(), F_OK), 0);
}

}  // namespace
}  // namespace palimpsest
