#include "ablation/shell_word.h"

#include <gtest/gtest.h>

#include <cstdio>

namespace palimpsest {
namespace {

std::string Echoed(const std::string& word) {
  FILE* shell = popen(("printf '%s|' " + word).c_str(), "r");
  std::string text;
  for (int c; (c = std::fgetc(shell)) != EOF;) text += static_cast<char>(c);
  EXPECT_EQ(pclose(shell), 0);
  return text;
}

TEST(ShellWord, IsWhatItWasInAShell) {
  for (const char* text : {"runs/a-b_c.d", "--x=1,2", "", "two words", "it's", "'", "$HOME `ls` \\",
                           "a\nb", "*", "~", "#no;comment&"})
    EXPECT_EQ(Echoed(ShellWord(text)), std::string(text) + "|") << text;
  EXPECT_EQ(ShellWord("runs/a"), "runs/a");
}

}  // namespace
}  // namespace palimpsest
