// Where functions have a kink, a tie, nothing to sum, or something that is not a number.
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "core/parallel.h"
#include "core/random.h"
#include "core/tape.h"
#include "gtest/gtest.h"
#include "ops/elementwise.h"
#include "ops/loss.h"
#include "ops/reduce.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNaN = std::nan("");

Tensor Row(const std::vector<double>& values, DType dtype = DType::kF64) {
  return Tensor::FromVector({static_cast<int64_t>(values.size())}, values, dtype);
}

std::vector<double> GradientAt(const std::function<Tensor(const Tensor&)>& f, const Tensor& x) {
  Tape tape;
  tape.Watch(x);
  return tape.Gradient(f(x), {x})[0].ToVector();
}

TEST(Kinks, HaveTheGradientTheHeaderSays) {
  const struct {
    std::string name;
    std::function<Tensor(const Tensor&)> f;
    double at, gradient;
  } rows[] = {{"relu", [](const Tensor& x) { return Relu(x); }, 0, 0},
              {"abs", [](const Tensor& x) { return Abs(x); }, 0, 0},
              {"clamp low", [](const Tensor& x) { return Clamp(x, -1, 1); }, -1, 1},
              {"clamp high", [](const Tensor& x) { return Clamp(x, -1, 1); }, 1, 1},
              {"clamp beyond", [](const Tensor& x) { return Clamp(x, -1, 1); }, 1.5, 0},
              {"maximum", [](const Tensor& x) { return Maximum(x, Row({2})); }, 2, 0.5},
              {"minimum", [](const Tensor& x) { return Minimum(x, Row({2})); }, 2, 0.5}};
  for (const auto& row : rows)
    EXPECT_EQ(GradientAt(row.f, Row({row.at})), std::vector<double>{row.gradient}) << row.name;
}

TEST(Max, SharesItsGradientAmongEqualsAndKeepsNaN) {
  const auto max = [](const Tensor& x) { return Max(x); };
  EXPECT_EQ(GradientAt(max, Row({1, 3, 3, 2})), (std::vector<double>{0, 0.5, 0.5, 0}));
  for (const std::vector<double>& values :
       {std::vector<double>{kNaN, 1, 2}, {1, kNaN, 2}, {1, 2, kNaN}}) {
    EXPECT_TRUE(std::isnan(Max(Row(values)).Item()));
    EXPECT_TRUE(std::isnan(Max(Row(values, DType::kF32)).Item()));
    EXPECT_TRUE(std::isnan(Maximum(Row(values), Row({0, 0, 0})).ToVector()[0]) ==
                std::isnan(values[0]));
  }
  EXPECT_EQ(Max(Row({-kInf, -kInf})).Item(), -kInf);
}

TEST(LogSumExp, OfInfinitiesAndOfNothing) {
  EXPECT_EQ(LogSumExp(Row({-kInf, -kInf})).Item(), -kInf);
  EXPECT_EQ(LogSumExp(Row({0, kInf})).Item(), kInf);
  EXPECT_EQ(LogSumExp(Row({})).Item(), -kInf);
  EXPECT_EQ(LogSumExp(Row({-kInf, 3})).Item(), 3);
  EXPECT_EQ(Sum(Row({})).Item(), 0);
}

TEST(CrossEntropy, OfIgnoredLabelsAloneIsZero) {
  const Tensor logits = RandomNormal({3, 5}, RandomStream(1, "logits"), DType::kF64);
  const Tensor labels = Tensor::Full({3}, kIgnoreLabel, DType::kI32);
  const auto loss = [&](const Tensor& x) { return CrossEntropy(x, labels); };
  EXPECT_EQ(loss(logits).Item(), 0.0);
  EXPECT_EQ(GradientAt(loss, logits), std::vector<double>(15, 0.0));
}

TEST(CrossEntropyDeathTest, NamesALabelOutOfRange) {
  SetNumThreads(1);  // A child has no other threads than the one that forked.
  const Tensor logits = Tensor::Full({2, 5}, 0.0, DType::kF32);
  EXPECT_DEATH(CrossEntropy(logits, Tensor::From<int32_t>({2}, {1, 5})), "cross_entropy.*5");
  EXPECT_DEATH(CrossEntropy(logits, Tensor::From<int32_t>({2}, {-1, 0})), "cross_entropy.*-1");
}

// Long enough for several threads, along the axis and beside it.
TEST(RunningSums, AreTheSameForAnyNumberOfThreads) {
  const int threads = NumThreads();
  for (const DType dtype : {DType::kF64, DType::kF32}) {
    for (const Shape& shape : {Shape{300000}, Shape{3, 100000}, Shape{64, 5000, 3}}) {
      const Tensor x = RandomNormal(shape, RandomStream(2, "x"), dtype);
      const int axis = shape.size() == 1 ? 0 : 1;
      for (bool reverse : {false, true}) {
        SetNumThreads(1);
        const Tensor sum = CumSum(x, axis, reverse), log = LogCumSumExp(x, axis, reverse);
        for (int n : {2, 3, 7}) {
          SetNumThreads(n);
          EXPECT_TRUE(SameBits(CumSum(x, axis, reverse), sum));
          EXPECT_TRUE(SameBits(LogCumSumExp(x, axis, reverse), log));
        }
        const Tensor exact = LogCumSumExp(Cast(x, DType::kF64), axis, reverse);
        EXPECT_LT(Distance(log, exact), dtype == DType::kF64 ? 1e-13 : 1e-5);
      }
    }
  }
  SetNumThreads(threads);
}

}  // namespace
}  // namespace palimpsest
