#include "program/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace palimpsest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FlagsTest : public testing::Test {
 protected:
  FlagsTest() {
    flags_.Add("run", "DIR", &run_, "a run")
        .Add("tokens", "N", &tokens_, "how many")
        .Add("heat", "X", &heat_, "t")
        .Add("resume", "", &resume_, "on")
        .Add("plugin", "PATH", &plugins_, "code");
  }
  std::string Error(const std::string& arg) const {
    return std::string(flags_.Parse({arg}).status().message());
  }

  std::string run_;
  int64_t tokens_ = 5;
  double heat_ = 0.5;
  bool resume_ = false;
  std::vector<std::string> plugins_;
  Flags flags_;
};

TEST_F(FlagsTest, SetsWhatIsGivenAndReturnsTheRest) {
  const auto rest = flags_.Parse({"--run=a=b", "model.width=3", "--resume", "--heat=1e-1"});
  ASSERT_TRUE(rest.ok());
  EXPECT_THAT(*rest, ElementsAre("model.width=3"));
  EXPECT_EQ(run_, "a=b");
  EXPECT_EQ(tokens_, 5);
  EXPECT_EQ(heat_, 0.1);
  EXPECT_TRUE(resume_);
}

TEST_F(FlagsTest, AListTakesEveryValue) {
  ASSERT_TRUE(flags_.Parse({"--plugin=b", "--tokens=1", "--plugin=a"}).ok());
  EXPECT_THAT(plugins_, ElementsAre("b", "a"));
}

TEST_F(FlagsTest, MistakesAreNamed) {
  EXPECT_THAT(Error("--tokns=3"), HasSubstr("did you mean '--tokens'?"));
  EXPECT_THAT(Error("--tokens=many"), HasSubstr("--tokens=many: must be an integer"));
  EXPECT_THAT(Error("--tokens"), HasSubstr("--tokens needs a value: --tokens=N"));
  EXPECT_THAT(Error("-resume"), HasSubstr("did you mean '--resume'?"));
  EXPECT_THAT(Error("--resume=perhaps"), HasSubstr("true or false"));
}

TEST_F(FlagsTest, HelpNamesFlagsAndDefaults) {
  EXPECT_THAT(flags_.Help(), HasSubstr("--tokens=N"));
  EXPECT_THAT(flags_.Help(), HasSubstr("how many (5)"));
}

}  // namespace
}  // namespace palimpsest
