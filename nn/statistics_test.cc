#include "nn/statistics.h"

#include <cmath>
#include <map>
#include <string>

#include "gtest/gtest.h"
#include "memory_rules/rule.h"
#include "nn/memory_statistics.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

TEST(Summary, IsOfAllElements) {
  const Summary s = Summarize(Tensor::FromVector({2, 2}, {1, -3, 4, 6}, DType::kF32));
  EXPECT_EQ(s.mean, 2.0);
  EXPECT_EQ(s.min, -3.0);
  EXPECT_EQ(s.max, 6.0);
  EXPECT_EQ(Summarize(Tensor::FromVector({0, 2}, {}, DType::kF32)).max, 0.0);
}

TEST(MeanNorm, IsOfTheLastAxes) {
  const Tensor x = Tensor::FromVector({2, 1, 2}, {3, 4, 0, 1}, DType::kF64);
  EXPECT_DOUBLE_EQ(MeanNorm(x, 1), 3.0);
  EXPECT_DOUBLE_EQ(MeanNorm(x, 2), 3.0);
  EXPECT_DOUBLE_EQ(MeanNorm(x, 3), std::sqrt(26.0));
}

// U diag(3, 2, 1) V^T of a rotation and a reflection, and a matrix of nothing.
TEST(Spectrum, IsThatOfTheSingularValues) {
  const double c = std::cos(0.7), s = std::sin(0.7);
  const Tensor u = Tensor::FromVector({3, 3}, {c, -s, 0, s, c, 0, 0, 0, 1}, DType::kF64);
  const Tensor v = Tensor::FromVector({3, 3}, {1, 0, 0, 0, -c, s, 0, s, c}, DType::kF64);
  const Tensor d = Tensor::FromVector({3, 3}, {3, 0, 0, 0, 2, 0, 0, 0, 1}, DType::kF64);
  const Tensor m = Reshape(MatMul(MatMul(u, d), v), {1, 3, 3});
  for (const DType dtype : {DType::kF64, DType::kF32, DType::kBf16}) {
    const double tolerance = dtype == DType::kBf16 ? 0.02 : 1e-4;
    const Spectrum one = SpectrumOf(Cast(m, dtype));
    EXPECT_NEAR(one.largest, 3.0, tolerance);
    EXPECT_LE(one.largest, 3.0 + tolerance * 1e-2);
    EXPECT_NEAR(one.stable_rank, 14.0 / 9.0, tolerance);
  }
  const Spectrum both = SpectrumOf(Concat({m, Mul(m, 2.0), Mul(m, 0.0)}, 0));
  EXPECT_NEAR(both.largest, 6.0, 1e-4);
  EXPECT_NEAR(both.stable_rank, 14.0 / 9.0, 1e-4);
  EXPECT_EQ(SpectrumOf(Mul(m, 0.0)).largest, 0.0);
  EXPECT_EQ(SpectrumOf(Tensor::FromVector({0, 2, 2}, {}, DType::kF64)).stable_rank, 0.0);
}

TEST(PutMemoryStatistics, NamesGatesAndStates) {
  const std::vector<GateSpec> specs = {KeepGate(),
                                       {.name = "beta", .kind = GateKind::kStrength01},
                                       {.name = "p", .kind = GateKind::kKey}};
  const Tensor half = Tensor::Full({1, 2, 3}, std::log(0.5), DType::kF32);
  const Tensor ones = Tensor::Full({1, 2, 2}, 1.0, DType::kF32);
  std::map<std::string, double> told;
  PutMemoryStatistics([&](const std::string& path, double value) { told[path] = value; }, specs,
                      {{"log_keep", half}, {"beta", Exp(half)}, {"p", half}},
                      {ones, Tensor::Full({1, 2}, 1.0, DType::kF32)});
  EXPECT_EQ(told.size(), 8u);
  EXPECT_NEAR(told.at("gates.keep.mean"), 0.5, 1e-6);
  EXPECT_NEAR(told.at("gates.beta.max"), 0.5, 1e-6);
  EXPECT_NEAR(told.at("memory.0.largest_singular_value"), 2.0, 1e-6);
  EXPECT_NEAR(told.at("memory.0.stable_rank"), 1.0, 1e-6);
}

}  // namespace
}  // namespace palimpsest
