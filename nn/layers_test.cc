#include "nn/layers.h"

#include <cmath>

#include "gtest/gtest.h"
#include "nn/testing.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

ParamInit TestInit() { return {RandomStream(1, "init"), DType::kF64, Device::kCpu, 0.5, 0.1}; }

Tensor Random(Shape shape, uint64_t seed) {
  return RandomNormal(std::move(shape), RandomStream(seed, "x"), DType::kF64);
}

TEST(Linear, MultipliesByTheWeightTransposed) {
  Linear linear{Tensor::FromVector({2, 3}, {1, 2, 3, 4, 5, 6}, DType::kF64)};
  const Tensor y = linear(Tensor::FromVector({1, 1, 3}, {1, 10, 100}, DType::kF64));
  EXPECT_EQ(y.shape(), (Shape{1, 1, 2}));
  EXPECT_EQ(y.ToVector(), (std::vector<double>{321, 654}));
}

TEST(Embedding, LooksRowsUp) {
  Embedding embedding{Tensor::FromVector({3, 2}, {0, 1, 10, 11, 20, 21}, DType::kF64)};
  const Tensor y = embedding(Tensor::From<int32_t>({2}, {2, 0}));
  EXPECT_EQ(y.ToVector(), (std::vector<double>{20, 21, 0, 1}));
}

TEST(NormLayer, KindsDifferByTheMean) {
  const Tensor x = Tensor::FromVector({1, 2}, {3, 5}, DType::kF64);
  const NormLayer rms = MakeNorm(TestInit(), ModelConfig::RMS, 2, 1e-12);
  const NormLayer layer = MakeNorm(TestInit(), ModelConfig::LAYER, 2, 1e-12);
  EXPECT_NEAR(rms(x).ToVector()[0], 3.0 / std::sqrt(17.0), 1e-9);
  EXPECT_NEAR(layer(x).ToVector()[0], -1.0, 1e-9);
}

TEST(Mlp, IsItsEquation) {
  const auto silu = [](double x) { return x / (1.0 + std::exp(-x)); };
  ModelConfig::Mlp config;
  config.set_hidden(1);
  Mlp mlp = MakeMlp(TestInit(), config, 1);
  const double gate = mlp.gate.weight.ToVector()[0], up = mlp.up.weight.ToVector()[0];
  const double down = mlp.down.weight.ToVector()[0], x = 1.7;
  EXPECT_NEAR(mlp(Tensor::Full({1, 1}, x, DType::kF64)).Item(), down * silu(gate * x) * up * x,
              1e-12);
  config.set_kind(ModelConfig::Mlp::RELU);
  mlp = MakeMlp(TestInit(), config, 1);
  EXPECT_FALSE(mlp.gate.weight);
  EXPECT_NEAR(mlp(Tensor::Full({1, 1}, x, DType::kF64)).Item(), down * std::max(0.0, up * x),
              1e-12);
}

TEST(ShortConv, CarriesItsTailThroughAnySplit) {
  const ShortConv conv = MakeShortConv(TestInit(), 3, 4);
  const Tensor x = Random({2, 7, 3}, 2);
  Tensor tail = conv.InitTail(2);
  EXPECT_EQ(tail.shape(), (Shape{2, 3, 3}));
  const Tensor whole = conv.Forward(x, tail);
  for (int64_t split = 0; split <= 7; ++split) {
    Tensor carried = conv.InitTail(2);
    const Tensor a = conv.Forward(Slice(x, 1, 0, split), carried);
    const Tensor b = conv.Forward(Slice(x, 1, split, 7), carried);
    EXPECT_LT(MaxDifference(whole, Concat({a, b}, 1)), 1e-14) << split;
    EXPECT_EQ(tail.ToVector(), carried.ToVector()) << split;
  }
}

TEST(ShortConv, OfWidthZeroIsTheIdentity) {
  const ShortConv none = MakeShortConv(TestInit(), 3, 0);
  Tensor tail;
  const Tensor x = Random({1, 2, 3}, 4);
  EXPECT_EQ(none.Forward(x, tail).ToVector(), x.ToVector());
}

TEST(ParamInit, DependsOnThePathAlone) {
  const ParamInit init = TestInit();
  const Tensor a = init.At("a").At("weight").Normal({4}, 1.0);
  EXPECT_EQ(a.ToVector(), init.At("a.weight").Normal({4}, 1.0).ToVector());
  EXPECT_NE(a.ToVector(), init.At("b.weight").Normal({4}, 1.0).ToVector());
}

}  // namespace
}  // namespace palimpsest
