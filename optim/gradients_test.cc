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

TEST(GlobalNorm, IsOverAllTensors) {
  EXPECT_EQ(GlobalNorm(Pair()), 5.0);
  EXPECT_EQ(GlobalNorm({}), 0.0);
  EXPECT_EQ(GlobalNorm({{"none", Tensor::Empty({0, 3}, DType::kF32)}}), 0.0);
}

TEST(ClipScale, ScalesDownToTheNormAndNeverUp) {
  EXPECT_NEAR(ClipScale(Pair(), 5.0, 1.0).Item(), 0.2, 1e-6);
  EXPECT_EQ(ClipScale(Pair(), 5.0, 10.0).Item(), 1.0);
  EXPECT_EQ(ClipScale(Pair(), 5.0, 0.0).Item(), 1.0);
  EXPECT_EQ(ClipScale({}, 0.0, 1.0).Item(), 1.0);
}

TEST(ClipScale, IsDifferentiable) {
  const Tensor a = RandomNormal({3}, RandomStream(1, "a"), DType::kF64),
               b = RandomNormal({2, 2}, RandomStream(1, "b"), DType::kF64);
  for (double max_norm : {0.5, 100.0}) {
    CheckGradient(
        [&](const Tensors& x) {
          const NamedTensors grads = {{"a", x[0]}, {"b", x[1]}};
          return ClipScale(grads, GlobalNorm(grads), max_norm);
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
