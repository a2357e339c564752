#include "kernels/label_score.h"

#include <cmath>
#include <limits>
#include <vector>

#include "core/allocator.h"
#include "kernels/device_testing.h"

namespace palimpsest {
namespace {

constexpr int32_t kIgnored = -100;

class LabelScoreTest : public DeviceTest {};

// logits [batch, time, classes]
Tensor Scores(const Tensor& logits, const Tensor& label, const Tensor& group, int64_t groups) {
  Tensor scores = Tensor::Empty({logits.dim(0), 1 + groups, 3}, DType::kF64, logits.device());
  label_score(logits.device(), {.dtype = logits.dtype(),
                                .batch = logits.dim(0),
                                .time = logits.dim(1),
                                .classes = logits.dim(2),
                                .groups = groups,
                                .logits = logits.raw(),
                                .label = label.data<int32_t>(),
                                .ignored = kIgnored,
                                .group = group ? group.data<int32_t>() : nullptr,
                                .scores = scores.mutable_data<double>()});
  return scores;
}

// Every third is ignored.
Tensor Labels(const Shape& shape, int64_t classes) {
  std::vector<double> labels = Integers(shape, classes, 3).ToVector();
  for (size_t i = 1; i < labels.size(); i += 3) labels[i] = kIgnored;
  return Tensor::FromVector(shape, labels, DType::kI32);
}

TEST_P(LabelScoreTest, IsTheCpusInF64) {
  for (const Shape& s :
       {Shape{0, 3, 5}, Shape{2, 0, 5}, Shape{1, 1, 1}, Shape{3, 7, 2}, Shape{2, 21, 65},
        Shape{2, 5, 256}, Shape{1, 4, 1099}, Shape{1, 3, 2048}}) {
    for (const int64_t groups : {0, 1, 3}) {
      const Tensor group = groups == 0 ? Tensor() : Integers({s[0], s[1]}, groups, 5, DType::kI32);
      ExpectAsInF64(
          "label_score " + ToString(s), GetParam(),
          {Normals(s, 1, 3.0), Labels({s[0], s[1]}, s[2]), group},
          [=](const Tensors& in) -> Tensors { return {Scores(in[0], in[1], in[2], groups)}; });
    }
  }
}

TEST_P(LabelScoreTest, CountsBySequenceAndGroup) {
  // The last row's label has as large a logit as one before it.
  const Tensor logits =
      CopyTo(Tensor::FromVector({2, 2, 2}, {0, 1, 0, 1, 2, 0, 1, 1}, DType::kF32), GetParam());
  const auto ids = [](const std::vector<int32_t>& values) {
    return CopyTo(Tensor::From<int32_t>({2, 2}, values), GetParam());
  };
  const std::vector<double> scores =
      Scores(logits, ids({1, 0, kIgnored, 1}), ids({0, 1, 0, 1}), 2).ToVector();
  const double near = std::log1p(std::exp(-1.0)), far = near + 1.0, even = std::log(2.0);
  const std::vector<double> want = {2, 1, near + far, 1, 1, near, 1, 0, far,
                                    1, 0, even,       0, 0, 0,    1, 0, even};
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(scores[i], want[i], 1e-15) << i;
}

TEST_P(LabelScoreTest, WhatIsNotFinite) {
  const double inf = std::numeric_limits<double>::infinity();
  const Tensor logits = CopyTo(
      Tensor::FromVector({4, 1, 3}, {NAN, 1, 0, NAN, NAN, NAN, -inf, 0, -inf, -inf, -inf, -inf},
                         DType::kF32),
      GetParam());
  const Tensor label = CopyTo(Tensor::From<int32_t>({4, 1}, {1, 0, 1, 0}), GetParam());
  const std::vector<double> scores = Scores(logits, label, {}, 0).ToVector();
  const std::vector<double> correct = {1, 0, 1, 1};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(scores[3 * i + 1], correct[i]) << i;
    EXPECT_EQ(std::isnan(scores[3 * i + 2]), i != 2) << i;
  }
  EXPECT_EQ(scores[3 * 2 + 2], 0.0);
}

// The CPU stops. A kernel cannot, so what it makes is NaN.
TEST_P(LabelScoreTest, ALabelThatIsNoClassIsNotPassedOver) {
  const Tensor logits = CopyTo(Rounded(Normals({1, 2, 3}, 1), DType::kF32), GetParam());
  const Tensor label = CopyTo(Tensor::From<int32_t>({1, 2}, {0, 3}), GetParam());
  if (GetParam() == Device::kCpu) {
    EXPECT_DEATH(Scores(logits, label, {}, 0), "label 3 of 3 classes");
    return;
  }
  EXPECT_TRUE(std::isnan(Scores(logits, label, {}, 0).ToVector()[2]));
}

PALIMPSEST_ON_EACH_DEVICE(LabelScoreTest);

}  // namespace
}  // namespace palimpsest
