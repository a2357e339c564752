#include "core/crc32c.h"

#include <gtest/gtest.h>

#include <string>

namespace palimpsest {
namespace {

// RFC 3720 B.4.
TEST(Crc32c, IsCastagnolis) {
  for (const auto crc : {Crc32c, Crc32cByBits}) {
    EXPECT_EQ(crc("123456789", 9, 0), 0xe3069283u);
    EXPECT_EQ(crc(std::string(32, '\0').data(), 32, 0), 0x8a9136aau);
    EXPECT_EQ(crc(std::string(32, '\xff').data(), 32, 0), 0x62a8ab43u);
    EXPECT_EQ(crc("", 0, 0), 0u);
  }
}

TEST(Crc32c, IsThatOfItsBitsAtAnyLengthAndPlace) {
  std::string text(100, '\0');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 37 + 11);
  for (size_t begin = 0; begin < 9; ++begin) {
    for (size_t bytes = 0; begin + bytes <= text.size(); ++bytes) {
      const char* at = text.data() + begin;
      ASSERT_EQ(Crc32c(at, bytes), Crc32cByBits(at, bytes)) << begin << " " << bytes;
      ASSERT_EQ(Crc32c(at + bytes / 3, bytes - bytes / 3, Crc32c(at, bytes / 3)),
                Crc32c(at, bytes));
    }
  }
}

}  // namespace
}  // namespace palimpsest
