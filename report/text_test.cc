#include "report/text.h"

#include <gtest/gtest.h>

namespace palimpsest {
namespace {

TEST(Shortened, LeavesOutTheMiddle) {
  EXPECT_EQ(Shortened("rule=delta, keys=32", 19), "rule=delta, keys=32");
  EXPECT_EQ(Shortened("rule=delta, keys=32", 10), "rule=d…=32");
  EXPECT_EQ(Shortened("ab", 1), "…");
  EXPECT_EQ(Shortened("ab", 0), "");
}

TEST(Shortened, CutsNoCharacterInTwo) {
  const std::string text = "äöüßéèêñ";
  EXPECT_EQ(TextWidth(text), 8u);
  EXPECT_EQ(Shortened(text, 5), "äöü…ñ");
  EXPECT_EQ(TextWidth(Shortened(text, 7)), 7u);
}

}  // namespace
}  // namespace palimpsest
