#include "memory_rules/child_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace palimpsest {
namespace {

using ::testing::StartsWith;

std::string ErrorOf(absl::FunctionRef<absl::Status(ChildReport*)> body, int seconds = 60) {
  return std::string(RunInChild(seconds, body).message());
}

TEST(ChildProcess, ItsStatusComesBackAndNothingElse) {
  int x = 1;
  EXPECT_TRUE(RunInChild(60, [&](ChildReport*) { return x = 2, absl::OkStatus(); }).ok());
  EXPECT_EQ(ErrorOf([&](ChildReport*) { return absl::InternalError("no"); }), "no");
  EXPECT_EQ(x, 1);
}

TEST(ChildProcess, HowItEndsOtherwise) {
  const auto doing = [](ChildReport* report, const auto& end) {
    report->SetDoing("in a test");
    std::fprintf(stderr, "two\nlines\n");
    end();
    return absl::OkStatus();
  };
  const std::string printed = ": two\nlines";
  EXPECT_EQ(ErrorOf([&](ChildReport* r) { return doing(r, [] { raise(SIGSEGV); }); }),
            "crashed in a test (signal 11, Segmentation fault)" + printed);
  EXPECT_EQ(ErrorOf([&](ChildReport* r) { return doing(r, [] { _exit(3); }); }),
            "exited with code 3 in a test" + printed);
  EXPECT_EQ(ErrorOf([&](ChildReport* r) { return doing(r, [] { pause(); }); }, 1),
            "took more than 1 seconds in a test" + printed);
  EXPECT_THAT(
      ErrorOf([&](ChildReport* r) { return doing(r, [] { throw std::runtime_error("x"); }); }),
      StartsWith("crashed in a test (signal 6, Aborted)" + printed));
}

}  // namespace
}  // namespace palimpsest
