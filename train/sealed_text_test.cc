#include "train/sealed_text.h"

#include <gtest/gtest.h>

namespace palimpsest {
namespace {

const std::string kObject = R"({"step":1,"loss":0.5})", kText = "steps: 1\nbatch: 2\n";

TEST(SealedText, StaysWhatItWas) {
  EXPECT_EQ(SealJson(kObject), R"({"step":1,"loss":0.5,"crc32c":"8001e188"})");
  EXPECT_EQ(CheckJsonSeal(SealJson(kObject)), Seal::kWhole);
  EXPECT_EQ(CheckJsonSeal(kObject), Seal::kNone);
  const std::string sealed = SealTextProto(kText);
  EXPECT_EQ(sealed.substr(sealed.find('\n') + 1), kText);
  EXPECT_EQ(CheckTextProtoSeal(sealed), Seal::kWhole);
  EXPECT_EQ(CheckTextProtoSeal(kText), Seal::kNone);
}

// A bit of the seal itself may take the seal away, but what it was of is whole then.
template <typename Check>
void ExpectEveryBitIsSeen(const std::string& sealed, const std::string& text, Check check) {
  for (size_t i = 0; i < sealed.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = sealed;
      flipped[i] = static_cast<char>(flipped[i] ^ 1 << bit);
      const Seal seal = check(flipped);
      EXPECT_NE(seal, Seal::kWhole) << i << " " << bit;
      if (seal == Seal::kNone) {
        EXPECT_NE(flipped.find(text), std::string::npos) << flipped;
      }
    }
  }
}

TEST(SealedText, SeesEveryBit) {
  ExpectEveryBitIsSeen(SealJson(kObject), kObject.substr(0, kObject.size() - 1), CheckJsonSeal);
  ExpectEveryBitIsSeen(SealTextProto(kText), kText, CheckTextProtoSeal);
}

}  // namespace
}  // namespace palimpsest
