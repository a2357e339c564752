#include "train/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>

namespace palimpsest {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Format, Numbers) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(41234), "41.2k");
  EXPECT_EQ(FormatCount(999960), "1.0M");
  EXPECT_EQ(FormatBytes(512), "512 B");
  EXPECT_EQ(FormatBytes(83000000), "83 MB");
  EXPECT_EQ(FormatDuration(43.4), "0:43");
  EXPECT_EQ(FormatDuration(7510), "2:05:10");
  EXPECT_EQ(FormatDuration(1.0 / 0.0), "-");
}

TEST(Format, FieldsThatDoNotFitAreLeftOut) {
  EXPECT_EQ(FitFields({"step 1", "loss 2", "ETA 3"}, 80), "step 1  loss 2  ETA 3");
  EXPECT_EQ(FitFields({"step 1", "loss 2", "ETA 3"}, 14), "step 1  loss 2");
  EXPECT_EQ(FitFields({"step 1", "loss 2"}, 5), "");
}

TEST(Format, WordsWrap) {
  EXPECT_EQ(WrapWords("a short line", 12, 2), "a short line");
  EXPECT_EQ(WrapWords("a short line", 11, 2), "a short\n  line");
  EXPECT_EQ(WrapWords("/a/path/without/spaces and more", 10, 3),
            "/a/path/without/spaces\n   and more");
  EXPECT_EQ(WrapWords("", 10, 3), "");
}

TEST(Progress, SaysWhatCouldNotBeWritten) {
  FILE* out = fopen("/dev/full", "w");
  {
    Progress progress(out);
    EXPECT_TRUE(progress.status().ok());
    progress.PrintNamed("run", "here");
    EXPECT_THAT(std::string(progress.status().message()), HasSubstr("No space left"));
  }
  fclose(out);
}

TEST(Progress, WithoutATerminalOnlyLinesThatStay) {
  char* text = nullptr;
  size_t size = 0;
  FILE* out = tmpfile();
  {
    Progress progress(out);
    progress.Show({"live"});
    progress.PrintFields({"step 1", "loss 2"});
    progress.PrintNamed("run", "here");
    EXPECT_EQ(progress.Bold("x"), "x");
  }
  rewind(out);
  ASSERT_GT(getdelim(&text, &size, '\0', out), 0);
  EXPECT_STREQ(text, "step 1  loss 2\nrun      here\n");
  free(text);
  fclose(out);
}

class Terminal {
 public:
  explicit Terminal(unsigned short columns) {
    const winsize size = {.ws_row = 25, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    int inner = -1;
    EXPECT_EQ(openpty(&outer_, &inner, nullptr, nullptr, &size), 0);
    file_ = fdopen(inner, "w");
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
  }
  ~Terminal() {
    fclose(file_);
    close(outer_);
  }
  FILE* file() const { return file_; }
  std::string Shown() const {
    char buffer[4096];
    const ssize_t got = read(outer_, buffer, sizeof(buffer));
    return std::string(buffer, got > 0 ? got : 0);
  }

 private:
  int outer_ = -1;
  FILE* file_ = nullptr;
};

TEST(Progress, ATerminalHasALineRewrittenInPlaceThatFits) {
  const Terminal terminal(20);
  Progress progress(terminal.file());
  EXPECT_TRUE(progress.live());
  progress.Show({"step 1/100", "loss 2", "grad 3"});
  EXPECT_EQ(terminal.Shown(), "\rstep 1/100  loss 2\x1b[K");
  progress.Show({"too soon to be seen"});
  progress.ShowNow({"now"});
  EXPECT_EQ(terminal.Shown(), "\rnow\x1b[K");
  progress.PrintNamed("data", "12 bytes to read");
  EXPECT_EQ(terminal.Shown(), "\r\x1b[Kdata     12 bytes\r\n         to read\r\n");
  progress.Show({"again"});
  terminal.Shown();
  progress.Print("kept");
  EXPECT_EQ(terminal.Shown(), "\r\x1b[Kkept\r\n");
  EXPECT_THAT(progress.Bold("x"), HasSubstr("\x1b[1m"));
}

TEST(Progress, NoColorIsHonoured) {
  const Terminal terminal(80);
  setenv("NO_COLOR", "1", 1);
  EXPECT_THAT(Progress(terminal.file()).Bold("x"), Not(HasSubstr("\x1b")));
  unsetenv("NO_COLOR");
}

}  // namespace
}  // namespace palimpsest
