// Where functions have a kink, a tie, nothing to sum, or something that is not a number, on each
// device.
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "core/parallel.h"
#include "core/random.h"
#include "core/tape.h"
#include "gtest/gtest.h"
#include "kernels/device_testing.h"
#include "ops/elementwise.h"
#include "ops/loss.h"
#include "ops/norm.h"
#include "ops/reduce.h"
#include "ops/softmax.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNaN = std::nan("");
constexpr double kLeastNormal = 1.2e-38;  // Of f32: a GPU may flush what is below.

class EdgesTest : public DeviceTest {
 protected:
  static Tensor Row(const std::vector<double>& values, DType dtype = DType::kF64) {
    const Shape shape = {static_cast<int64_t>(values.size())};
    return CopyTo(Tensor::FromVector(shape, values, dtype), GetParam());
  }
};
PALIMPSEST_ON_EACH_DEVICE(EdgesTest);

std::vector<double> GradientAt(const std::function<Tensor(const Tensor&)>& f, const Tensor& x) {
  Tape tape;
  tape.Watch(x);
  return tape.Gradient(f(x), {x})[0].ToVector();
}

TEST_P(EdgesTest, KinksHaveTheGradientTheHeaderSays) {
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

TEST_P(EdgesTest, MaxSharesItsGradientAmongEqualsAndKeepsNaN) {
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

TEST_P(EdgesTest, LogSumExpOfInfinitiesAndOfNothing) {
  EXPECT_EQ(LogSumExp(Row({-kInf, -kInf})).Item(), -kInf);
  EXPECT_EQ(LogSumExp(Row({0, kInf})).Item(), kInf);
  EXPECT_EQ(LogSumExp(Row({})).Item(), -kInf);
  EXPECT_EQ(LogSumExp(Row({-kInf, 3})).Item(), 3);
  EXPECT_EQ(Sum(Row({})).Item(), 0);
}

TEST_P(EdgesTest, CrossEntropyOfIgnoredLabelsAloneIsZero) {
  const Tensor logits =
      CopyTo(RandomNormal({3, 5}, RandomStream(1, "logits"), DType::kF64), GetParam());
  const Tensor labels = Tensor::Full({3}, kIgnoreLabel, DType::kI32, GetParam());
  const auto loss = [&](const Tensor& x) { return CrossEntropy(x, labels); };
  EXPECT_EQ(loss(logits).Item(), 0.0);
  EXPECT_EQ(GradientAt(loss, logits), std::vector<double>(15, 0.0));
}

// As the CPU: what is finite as near as its dtype allows, what is not the same.
TEST_P(EdgesTest, ExtremesAreThoseOfTheCpu) {
  const struct {
    std::string name;
    std::function<Tensor(const Tensor&)> f;
  } rows[] = {{"exp", Exp},
              {"log", Log},
              {"sqrt", Sqrt},
              {"rsqrt", Rsqrt},
              {"tanh", Tanh},
              {"sigmoid", Sigmoid},
              {"silu", Silu},
              {"gelu", Gelu},
              {"softplus", Softplus},
              {"relu", Relu},
              {"abs", Abs},
              {"sign", Sign},
              {"clamp", [](const Tensor& x) { return Clamp(x, -2, 2); }},
              {"pow", [](const Tensor& x) { return Pow(x, 3.0); }},
              {"softmax", [](const Tensor& x) { return Softmax(x); }},
              {"log_softmax", [](const Tensor& x) { return LogSoftmax(x); }},
              {"rms_norm", [](const Tensor& x) { return RmsNorm(x); }},
              {"l2_normalize", [](const Tensor& x) { return L2Normalize(x); }},
              {"cumsum", [](const Tensor& x) { return CumSum(x, 0); }},
              {"log_cumsum_exp", [](const Tensor& x) { return LogCumSumExp(x, 0); }}};
  const std::vector<double> inputs[] = {{0.0, -0.0, 1.0, -1.0, 1e-30, -1e-30},
                                        {-20.0, 20.0, -88.0, 88.0, -103.0, 89.0},
                                        {-1e4, 1e4, -1e30, 1e30},
                                        {-kInf, 1.0},
                                        {kInf, 1.0},
                                        {1.0, kNaN, 2.0}};
  for (const auto& row : rows) {
    for (const DType dtype : {DType::kF64, DType::kF32}) {
      for (const std::vector<double>& values : inputs) {
        const Tensor x = Row(values, dtype), here = CopyTo(x, Device::kCpu);
        const auto expect_same = [&](const std::vector<double>& got,
                                     const std::vector<double>& want, const char* what) {
          for (size_t i = 0; i < want.size(); ++i) {
            const bool same = got[i] == want[i] || (std::isnan(got[i]) && std::isnan(want[i]));
            const double near = (dtype == DType::kF64 ? 1e-12 : 1e-5) * std::abs(want[i]);
            EXPECT_TRUE(same || std::abs(got[i] - want[i]) <= near + kLeastNormal)
                << what << " of " << row.name << " at " << values[i] << " in " << dtype << ": "
                << got[i] << ", not " << want[i];
          }
        };
        expect_same(row.f(x).ToVector(), row.f(here).ToVector(), "value");
        // Weighted, as those of a softmax's plain sum are 0.
        const auto weighted = [&](const Tensor& at) {
          std::vector<double> weights;
          for (int64_t i = 0; i < at.size(); ++i) weights.push_back(static_cast<double>(i + 1));
          return Mul(row.f(at),
                     CopyTo(Tensor::FromVector(at.shape(), weights, dtype), at.device()));
        };
        expect_same(GradientAt(weighted, x), GradientAt(weighted, here), "gradient");
      }
    }
  }
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
