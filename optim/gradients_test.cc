#include "optim/gradients.h"

#include <cmath>

#include "core/random.h"
#include "core/tape.h"
#include "gtest/gtest.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

NamedTensors Pair() {
  return {{"a", Tensor::FromVector({2}, {3, 0}, DType::kF32)},
          {"b", Tensor::FromVector({1, 2}, {0, -4}, DType::kF32)}};
}

TEST(MeasureGradients, NormIsOverAllTensors) {
  EXPECT_EQ(MeasureGradients(Pair(), 0.0).Norm(), 5.0);
  EXPECT_EQ(MeasureGradients({}, 0.0).Norm(), 0.0);
  EXPECT_EQ(MeasureGradients({{"none", Tensor::Empty({0, 3}, DType::kF32)}}, 0.0).Norm(), 0.0);
}

TEST(MeasureGradients, ScalesDownToTheNormAndNeverUp) {
  const auto scale = [](const NamedTensors& grads, double max_norm) {
    return MeasureGradients(grads, max_norm).scale.Item();
  };
  EXPECT_NEAR(scale(Pair(), 1.0), 0.2, 1e-6);
  EXPECT_EQ(scale(Pair(), 10.0), 1.0);
  EXPECT_EQ(scale(Pair(), 0.0), 1.0);
  EXPECT_EQ(scale({}, 1.0), 1.0);
}

TEST(MeasureGradients, NamesAndCountsWhatIsNotFinite) {
  Tensor skipped = Tensor::Full({}, 2.0, DType::kF64);
  NamedTensors grads = Pair();
  EXPECT_EQ(MeasureGradients(grads, 1.0, &skipped).NonFinite(), "");
  EXPECT_EQ(skipped.Item(), 2.0);
  grads["b"] = Tensor::FromVector({2}, {1, std::nan("")}, DType::kF32);
  const GradientNorms norms = MeasureGradients(grads, 1.0, &skipped);
  EXPECT_EQ(norms.NonFinite(), "b");
  EXPECT_TRUE(std::isnan(norms.scale.Item()));
  EXPECT_EQ(skipped.Item(), 3.0);
  const NamedTensors large = {{"a", Tensor::Full({1}, 1e154, DType::kF64)},
                              {"b", Tensor::Full({1}, 1e154, DType::kF64)}};
  EXPECT_EQ(MeasureGradients(large, 1.0).NonFinite(), "(their norm)");
}

TEST(MeasureGradients, AGuardSeesTheLossAndStaysAgainstStepsAfterOneThatFailed) {
  StepGuard guard{.loss = Tensor::Full({}, 1.0, DType::kF64),
                  .failed = Tensor::Full({}, 0.0, DType::kF64)};
  const auto measure = [&] { return MeasureGradients(Pair(), 0.0, nullptr, &guard).scale.Item(); };
  EXPECT_EQ(measure(), 1.0);
  guard.loss = Tensor::Full({}, INFINITY, DType::kF64);
  EXPECT_TRUE(std::isnan(measure()));
  guard.loss = Tensor::Full({}, 1.0, DType::kF64);
  EXPECT_TRUE(std::isnan(measure()));
  EXPECT_EQ(guard.failed.Item(), 2.0);
}

TEST(MeasureGradients, ScaleIsDifferentiable) {
  const Tensor a = RandomNormal({3}, RandomStream(1, "a"), DType::kF64),
               b = RandomNormal({2, 2}, RandomStream(1, "b"), DType::kF64);
  for (double max_norm : {0.5, 100.0}) {
    CheckGradient(
        [&](const Tensors& x) {
          return MeasureGradients({{"a", x[0]}, {"b", x[1]}}, max_norm).scale;
        },
        {a, b});
  }
}

TEST(AccumulateGradients, SumsWithWeights) {
  NamedTensors sum;
  AccumulateGradients(sum, Pair(), 0.5);
  AccumulateGradients(sum, Pair(), 0.25);
  EXPECT_EQ(sum.at("a").ToVector(), (std::vector<double>{2.25, 0}));
  EXPECT_EQ(sum.at("b").ToVector(), (std::vector<double>{0, -3}));
}

}  // namespace
}  // namespace palimpsest
