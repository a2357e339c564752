#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/program_testing.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(TasksCommand, ListsThem) {
  const ProcessResult r = Palimpsest({"tasks"});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_THAT(r.out, AllOf(HasSubstr("\nmqar                Multi-query associative recall"),
                           HasSubstr("\nparity              Parity: is the number of ones")));
}

TEST(TasksCommand, ShowsExamplesWithTheirLabelsBelow) {
  const ProcessResult r =
      Palimpsest({"tasks", "selective_copying", "--show=1", "length=5",
                  "data.selective_copying.tokens=1", "data.selective_copying.vocab=3"});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_THAT(r.out, AllOf(HasSubstr("message SelectiveCopyingData {"),
                           HasSubstr("tokens  _ _ 0 COPY _\n"
                                     "labels  . . . .    0\n")));
}

TEST(TasksCommand, LinesAreNoLongerThanATerminal) {
  for (const char* task : {"mqar", "needle"}) {
    const ProcessResult r = Palimpsest({"tasks", task, "--train"});
    EXPECT_EQ(r.code, 0) << r.err;
    size_t begin = r.out.find("\ntokens");
    ASSERT_NE(begin, std::string::npos);
    for (size_t end; (end = r.out.find('\n', begin)) != std::string::npos; begin = end + 1)
      EXPECT_LE(end - begin, 80u) << r.out.substr(begin, end - begin);
  }
}

TEST(TasksCommand, SaysWhatIsWrong) {
  EXPECT_THAT(Palimpsest({"tasks", "party"}).err, HasSubstr("did you mean 'parity'?"));
  EXPECT_THAT(Palimpsest({"tasks", "group_word", "data.group_word.group=M11"}).err,
              HasSubstr("data.group_word: group is \"M11\""));
  EXPECT_THAT(Palimpsest({"tasks", "mqar", "--show=-1"}).err, HasSubstr("--show is -1"));
  EXPECT_THAT(Palimpsest({"tasks", "bytes"}).out, HasSubstr("data.bytes.path=FILE"));
}

}  // namespace
}  // namespace palimpsest
