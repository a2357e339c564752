#include "program/program.h"

#include <gtest/gtest.h>

#include <string>

namespace palimpsest {
namespace {

TEST(OneLine, KeepsWhatIsText) {
  EXPECT_EQ(OneLine("run/x: \"caf\xc3\xa9\" is no number"), "run/x: \"caf\xc3\xa9\" is no number");
}

TEST(OneLine, JoinsLinesAndShowsWhatATerminalWouldObey) {
  EXPECT_EQ(OneLine("model={\n\n  width\t\r\n': no"), "model={ width ': no");
  EXPECT_EQ(OneLine("at the end\n"), "at the end");
  EXPECT_EQ(OneLine("a \x1b[31mred\x7f path"), "a \\x1b[31mred\\x7f path");
}

TEST(OneLine, Ends) { EXPECT_LT(OneLine(std::string(100000, 'a')).size(), 3000u); }

}  // namespace
}  // namespace palimpsest
