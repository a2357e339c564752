#include "train/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "ops/loss.h"

namespace palimpsest {
namespace {

TEST(Score, CountsLabelledPositionsOnly) {
  // Two examples of two tokens, three classes; the second example has one label.
  const Tensor logits =
      Tensor::FromVector({2, 2, 3}, {0, 2, 1, 5, 0, 0, 1, 1, 1, 0, 0, 3}, DType::kF64);
  const Tensor labels = Tensor::From<int32_t>({2, 2}, std::vector<int32_t>{1, 2, kIgnoreLabel, 2});
  Score score;
  score.Add(logits, labels);
  const auto loss = [](double label, double a, double b, double c) {
    return std::log(std::exp(a) + std::exp(b) + std::exp(c)) - label;
  };
  EXPECT_EQ(score.labels(), 3);
  EXPECT_EQ(score.examples(), 2);
  EXPECT_NEAR(score.loss(), (loss(2, 0, 2, 1) + loss(0, 5, 0, 0) + loss(3, 0, 0, 3)) / 3, 1e-12);
  EXPECT_DOUBLE_EQ(score.accuracy(), 0.75);
}

TEST(Score, IsTheSameWhateverTheBatch) {
  const Tensor logits = Tensor::FromVector({3, 1, 2}, {0.1, 0.7, 30, -2, 1e-3, 0.25}, DType::kF32);
  const Tensor labels = Tensor::From<int32_t>({3, 1}, std::vector<int32_t>{1, 1, 0});
  Score whole, parts;
  whole.Add(logits, labels);
  for (int64_t i = 0; i < 3; ++i) parts.Add(logits.Rows(i, i + 1), labels.Rows(i, i + 1));
  EXPECT_EQ(whole.loss(), parts.loss());
  EXPECT_EQ(whole.accuracy(), parts.accuracy());
}

// Example 0 has one label in each slice, of which the second is right; example 1 all in slice 0.
TEST(Score, TellsSlicesAndWholeSequencesApart) {
  const Tensor logits = Tensor::FromVector({2, 2, 2}, {1, 0, 1, 0, 0, 1, 0, 1}, DType::kF64);
  const Tensor labels = Tensor::From<int32_t>({2, 2}, std::vector<int32_t>{1, 0, 1, 1});
  const Tensor slices = Tensor::From<int32_t>({2, 2}, std::vector<int32_t>{0, 1, 0, 0});
  Score score({"old", "new", "none"});
  score.Add(logits, labels, slices);
  EXPECT_DOUBLE_EQ(score.accuracy(), 0.75);
  EXPECT_DOUBLE_EQ(score.sequence_accuracy(), 0.5);
  EXPECT_EQ(score.tokens(), 4);
  ASSERT_EQ(score.slices().size(), 3u);
  const auto expect = [&](size_t i, const std::string& name, int64_t labels, double accuracy) {
    EXPECT_EQ(score.slices()[i].name, name);
    EXPECT_EQ(score.slices()[i].tally.labels(), labels);
    EXPECT_DOUBLE_EQ(score.slices()[i].tally.accuracy(), accuracy);
  };
  expect(0, "old", 3, 0.5);
  expect(1, "new", 1, 1);
  expect(2, "none", 0, 0);
  EXPECT_DOUBLE_EQ(score.slices()[0].tally.sequence_accuracy(), 0.5);
}

TEST(Score, OfNothingIsZero) {
  Score score;
  score.Add(Tensor::Empty({0, 4, 8}, DType::kF32), Tensor::Empty({0, 4}, DType::kI32));
  EXPECT_EQ(score.loss(), 0);
  EXPECT_EQ(score.accuracy(), 0);
}

}  // namespace
}  // namespace palimpsest
