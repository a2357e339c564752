#include "ablation/run_failure.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

namespace palimpsest {
namespace {

int StatusOfSignal(int signal) {
  const pid_t pid = fork();
  if (pid == 0) {
    ::signal(signal, SIG_DFL);
    kill(getpid(), signal);
    _exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return status;
}

TEST(RunFailure, ClassesExitCodes) {
  EXPECT_EQ(ClassifyExitCode(0, false), RunEnd::kComplete);
  EXPECT_EQ(ClassifyExitCode(75, false), RunEnd::kStopped);
  EXPECT_EQ(ClassifyExitCode(3, false), RunEnd::kNotFinite);
  EXPECT_EQ(ClassifyExitCode(4, false), RunEnd::kOutOfMemory);
  EXPECT_EQ(ClassifyExitCode(1, false), RunEnd::kOther);
  EXPECT_EQ(ClassifyExitCode(2, false), RunEnd::kOther);
  EXPECT_EQ(ClassifyExitCode(127, false), RunEnd::kOther);
  EXPECT_EQ(ClassifyExitCode(137, false), RunEnd::kKilled);
  EXPECT_EQ(ClassifyExitCode(137, true), RunEnd::kOutOfMemory);
  EXPECT_EQ(ClassifyExitCode(255, false), RunEnd::kOther);
}

TEST(RunFailure, ClassesSignals) {
  EXPECT_EQ(ClassifyEnd(StatusOfSignal(SIGTERM), false), RunEnd::kKilled);
  EXPECT_EQ(ClassifyEnd(StatusOfSignal(SIGKILL), false), RunEnd::kKilled);
  EXPECT_EQ(ClassifyEnd(StatusOfSignal(SIGKILL), true), RunEnd::kOutOfMemory);
  EXPECT_EQ(ClassifyEnd(StatusOfSignal(SIGTERM), true), RunEnd::kKilled);
  EXPECT_EQ(ClassifyEnd(StatusOfSignal(SIGABRT), false), RunEnd::kOther);
}

TEST(RunFailure, TriesAgainWhatMayGoBetterNextTime) {
  const Sweep::Retries usual;
  EXPECT_EQ(Retries(usual, RunEnd::kNotFinite), 0);
  EXPECT_EQ(Retries(usual, RunEnd::kOther), 0);
  EXPECT_EQ(Retries(usual, RunEnd::kOutOfMemory), 1);
  EXPECT_EQ(Retries(usual, RunEnd::kKilled), 2);
  EXPECT_EQ(Retries(usual, RunEnd::kStopped), 2);
}

}  // namespace
}  // namespace palimpsest
