#include "train/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "kernels/device_testing.h"
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

class ScoreOnDevice : public DeviceTest {};
PALIMPSEST_ON_EACH_DEVICE(ScoreOnDevice);

TEST_P(ScoreOnDevice, IsTheCpus) {
  const Tensor logits = Normals({3, 21, 65}, 1, 3.0), slices = Integers({3, 21}, 2, 3, DType::kI32);
  std::vector<double> ids = Integers({3, 21}, 65, 2).ToVector();
  for (size_t i = 0; i < 30; ++i) ids[i] = kIgnoreLabel;
  const Tensor labels = Tensor::FromVector({3, 21}, ids, DType::kI32);
  for (const DType dtype : {DType::kF64, DType::kF32, DType::kBf16}) {
    Score here({"a", "b"}), there({"a", "b"});
    here.Add(Rounded(logits, dtype), labels, slices);
    there.Add(CopyTo(Rounded(logits, dtype), GetParam()), labels, slices);
    EXPECT_EQ(here.examples(), 2);
    const auto expect_same = [](const Tally& got, const Tally& want) {
      EXPECT_EQ(got.labels(), want.labels());
      EXPECT_EQ(got.examples(), want.examples());
      EXPECT_EQ(got.accuracy(), want.accuracy());
      EXPECT_EQ(got.sequence_accuracy(), want.sequence_accuracy());
      EXPECT_NEAR(got.loss(), want.loss(), 1e-13 * want.loss());
    };
    expect_same(there, here);
    for (size_t s = 0; s < 2; ++s) expect_same(there.slices()[s].tally, here.slices()[s].tally);
  }
}

TEST(Score, OfNothingIsZero) {
  Score score;
  score.Add(Tensor::Empty({0, 4, 8}, DType::kF32), Tensor::Empty({0, 4}, DType::kI32));
  EXPECT_EQ(score.loss(), 0);
  EXPECT_EQ(score.accuracy(), 0);
}

}  // namespace
}  // namespace palimpsest
