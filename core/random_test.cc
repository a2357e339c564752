#include "core/random.h"

#include <array>
#include <cmath>
#include <vector>

#include "core/parallel.h"
#include "gtest/gtest.h"

namespace palimpsest {
namespace {

using Words = std::array<uint32_t, 4>;

// Random123's known answers for philox4x32-10.
TEST(PhiloxTest, KnownAnswers) {
  EXPECT_EQ(Philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(Philox({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomStreamTest, EveryPartOfTheKeyMatters) {
  const RandomStream stream(1, "init", 2);
  EXPECT_EQ(RandomStream(1, "init", 2).Bits(3), stream.Bits(3));
  for (const RandomStream& other : {RandomStream(2, "init", 2), RandomStream(1, "data", 2),
                                    RandomStream(1, "init", 3), stream.Fork(0), stream.Fork("a")}) {
    EXPECT_NE(other.Bits(3), stream.Bits(3));
  }
  EXPECT_NE(stream.Bits(4), stream.Bits(3));
  EXPECT_NE(stream.Bits(uint64_t{3} << 32), stream.Bits(3));
  EXPECT_NE(stream.Fork(1).Bits(3), stream.Fork(2).Bits(3));
}

TEST(RandomStreamTest, WordsAreThoseOfPhiloxUnderTheKey) {
  const RandomStream stream(5, "dropout", (uint64_t{7} << 32) + 8);
  EXPECT_EQ(stream.Words((uint64_t{3} << 32) + 4), Philox({4, 3, 8, 7}, stream.Key()));
}

TEST(RandomStreamTest, UniformMoments) {
  const RandomStream stream(1, "uniform");
  constexpr int kDraws = 100000;
  double sum = 0, squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = stream.Uniform(i);
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u, squares += u * u;
  }
  EXPECT_NEAR(sum / kDraws, 1.0 / 2, 0.004);
  EXPECT_NEAR(squares / kDraws, 1.0 / 3, 0.004);
}

TEST(RandomStreamTest, NormalMoments) {
  const RandomStream stream(1, "normal");
  constexpr int kDraws = 100000;
  std::array<double, 5> moments = {};
  for (int i = 0; i < kDraws; ++i) {
    for (int p = 1; p <= 4; ++p) moments[p] += std::pow(stream.Normal(i), p) / kDraws;
  }
  EXPECT_NEAR(moments[1], 0.0, 0.015);
  EXPECT_NEAR(moments[2], 1.0, 0.02);
  EXPECT_NEAR(moments[3], 0.0, 0.05);
  EXPECT_NEAR(moments[4], 3.0, 0.15);
}

// With n = 3/4 2^64, scaling 64 random bits would give every third integer twice as often.
TEST(RandomStreamTest, BelowIsUnbiased) {
  const RandomStream stream(1, "below");
  const uint64_t n = uint64_t{3} << 62;
  constexpr int kDraws = 30000;
  std::array<int, 3> counts = {};
  for (int i = 0; i < kDraws; ++i) {
    const uint64_t v = stream.Below(i, n);
    ASSERT_LT(v, n);
    ++counts[v % 3];
  }
  for (const int count : counts) EXPECT_NEAR(count, kDraws / 3.0, 4 * std::sqrt(kDraws * 2 / 9.0));
}

TEST(RandomStreamTest, BelowSmallNumbers) {
  const RandomStream stream(1, "dice");
  std::array<int, 6> counts = {};
  for (int i = 0; i < 60000; ++i) ++counts[stream.Below(i, 6)];
  for (const int count : counts) EXPECT_NEAR(count, 10000, 400);
  EXPECT_EQ(stream.Below(0, 1), 0u);
}

TEST(RandomTensorTest, SameForAnyNumberOfThreadsAndByElement) {
  const RandomStream stream(9, "weights");
  const int threads = NumThreads();
  SetNumThreads(1);
  const std::vector<double> one = RandomNormal({30001}, stream, DType::kF32, 0.5).ToVector();
  SetNumThreads(3);
  EXPECT_EQ(RandomNormal({30001}, stream, DType::kF32, 0.5).ToVector(), one);
  SetNumThreads(threads);
  EXPECT_EQ(one[20000], static_cast<double>(static_cast<float>(0.5 * stream.Normal(20000))));
  EXPECT_EQ(RandomUniform({3}, stream, DType::kF64).ToVector()[2], stream.Uniform(2));
}

}  // namespace
}  // namespace palimpsest
