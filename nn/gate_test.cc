#include "nn/gate.h"

#include <cmath>

#include "gtest/gtest.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

constexpr int64_t kWidth = 6, kHeads = 3, kKeyDim = 2, kValueDim = 4;

GateLayer Make(const GateSpec& spec, const ModelConfig::Gate& config = {},
               DType dtype = DType::kF64, int64_t pairs = 1) {
  return MakeGate({RandomStream(1, "init"), dtype, Device::kCpu, 0.5, 0.1, "gate"}, spec, config,
                  kWidth, {kHeads, kKeyDim, kValueDim, pairs});
}

Tensor Zeros(DType dtype = DType::kF64) { return Tensor::Full({2, 5, kWidth}, 0.0, dtype); }
Tensor Random() { return RandomNormal({2, 5, kWidth}, RandomStream(2, "x"), DType::kF64, 3.0); }

TEST(Gate, StartsAtInit) {
  const std::vector<GateSpec> specs = {{"a", GateKind::kStrength01, GateScope::kHead, 0.3},
                                       {"b", GateKind::kStrength02, GateScope::kHead, 1.3},
                                       {"c", GateKind::kPositive, GateScope::kKeyChannel, 0.01},
                                       {"d", GateKind::kPositive, GateScope::kHead, 7.0}};
  for (const GateSpec& spec : specs) {
    const Tensor g = Make(spec)(Zeros(), {});
    for (double value : g.ToVector()) EXPECT_NEAR(value, spec.init, 1e-12) << spec.name;
  }
}

TEST(Gate, LogDecaysSpreadAroundInit) {
  const Tensor g = Make({"keep", GateKind::kLogDecay, GateScope::kHead, 0.9})(Zeros(), {});
  const std::vector<double> log_keep = g.ToVector();
  EXPECT_NEAR(log_keep[0], std::log(0.9) / 4.0, 1e-12);
  EXPECT_NEAR(log_keep[1], std::log(0.9), 1e-12);
  EXPECT_NEAR(log_keep[2], std::log(0.9) * 4.0, 1e-12);
}

TEST(Gate, StaysInItsRange) {
  const auto range = [](GateKind kind) {
    const Tensor g = Make({"g", kind})(Random(), {});
    return std::pair(-Max(Neg(g)).Item(), Max(g).Item());
  };
  EXPECT_LE(range(GateKind::kLogDecay).second, 0.0);
  EXPECT_GT(range(GateKind::kStrength01).first, 0.0);
  EXPECT_LT(range(GateKind::kStrength01).second, 1.0);
  EXPECT_GT(range(GateKind::kStrength02).second, 1.0);
  EXPECT_LT(range(GateKind::kStrength02).second, 2.0);
  EXPECT_GT(range(GateKind::kPositive).first, 0.0);
}

TEST(Gate, HasOneNumberPerHeadOrChannelAndPair) {
  for (GateKind kind : {GateKind::kLogDecay, GateKind::kStrength01}) {
    const auto shape = [&](GateScope scope, int64_t pairs, bool per_token = false) {
      return Make({"g", kind, scope, 0.5, per_token}, {}, DType::kF64, pairs)(Random(), {}).shape();
    };
    EXPECT_EQ(shape(GateScope::kHead, 1), (Shape{2, 5, kHeads}));
    EXPECT_EQ(shape(GateScope::kKeyChannel, 1), (Shape{2, 5, kHeads, kKeyDim}));
    EXPECT_EQ(shape(GateScope::kValueChannel, 1), (Shape{2, 5, kHeads, kValueDim}));
    EXPECT_EQ(shape(GateScope::kHead, 3), (Shape{2, 15, kHeads}));
    EXPECT_EQ(shape(GateScope::kHead, 3, /*per_token=*/true), (Shape{2, 5, kHeads}));
  }
}

TEST(Gate, AKeyIsAShareOfTheKeyThatEachHeadIsGiven) {
  const Tensor k = RandomNormal({2, 5, 1, kKeyDim}, RandomStream(3, "k"), DType::kF64);
  const Tensor p = Make({"p", GateKind::kKey, GateScope::kKeyChannel, 0.8})(Zeros(), k);
  ASSERT_EQ(p.shape(), (Shape{2, 5, kHeads, kKeyDim}));
  const Tensor wrong = Sub(p, Mul(k, 0.8));
  EXPECT_LT(Max(Abs(wrong)).Item(), 1e-12);
}

TEST(Gate, ConfigOverridesTheSpec) {
  ModelConfig::Gate config;
  config.set_init(0.75);
  config.set_data_dependent(false);
  GateLayer gate = Make({"g", GateKind::kStrength01}, config);
  for (double value : gate(Random(), {}).ToVector()) EXPECT_NEAR(value, 0.75, 1e-12);
  int params = 0;
  gate.ForEachParam("g", [&](const std::string&, Tensor&) { ++params; });
  EXPECT_EQ(params, 1);
}

TEST(Gate, AStrengthHasTheRangeItsConfigSays) {
  ModelConfig::Gate config;
  config.set_max(2);
  const Tensor wide = Make({"beta", GateKind::kStrength01}, config)(Random(), {});
  const Tensor narrow = Make({"beta", GateKind::kStrength01})(Random(), {});
  EXPECT_EQ(wide.ToVector(), Mul(narrow, 2.0).ToVector());
  config.set_max(1);
  const Tensor halved =
      Make({"beta", GateKind::kStrength02, GateScope::kHead, 1.0}, config)(Random(), {});
  EXPECT_EQ(halved.ToVector(), narrow.ToVector());
}

TEST(Gate, OfABf16LayerIsF32) {
  const GateLayer gate =
      Make({"g", GateKind::kLogDecay, GateScope::kHead, 0.999}, {}, DType::kBf16);
  EXPECT_EQ(gate.proj.weight.dtype(), DType::kBf16);
  const Tensor g = gate(Zeros(DType::kBf16), {});
  EXPECT_EQ(g.dtype(), DType::kF32);
  EXPECT_NEAR(g.ToVector()[1], std::log(0.999), 1e-7);
}

TEST(Gate, AFixedValueIsItsOwnAndHasNoParameters) {
  const Tensor x = Tensor::Full({2, 3, 4}, 0.5, DType::kF64),
               k = Tensor::Full({2, 6, 1, 5}, 2.0, DType::kF64);
  const auto gate = [&](const GateSpec& spec, double value) {
    ModelConfig::Gate config;
    config.set_value(value);
    return MakeGate({.stream = RandomStream(1, "gate"), .dtype = DType::kF64}, spec, config, 4,
                    {.heads = 3, .key = 5, .value = 7, .pairs = 2});
  };
  GateLayer keep = gate(KeepGate(GateScope::kKeyChannel), 0.25),
            beta = gate({.name = "beta", .kind = GateKind::kStrength01}, 0.0),
            key = gate({.name = "p", .kind = GateKind::kKey}, 0.5);
  keep.ForEachParam("gate", [](const std::string& path, Tensor&) { ADD_FAILURE() << path; });
  const Tensor log_keep = keep(x, k);
  EXPECT_EQ(log_keep.shape(), (Shape{2, 6, 3, 5}));
  EXPECT_DOUBLE_EQ(log_keep.ToVector()[0], std::log(0.25));
  EXPECT_EQ(beta(x, k).shape(), (Shape{2, 6, 3}));
  EXPECT_EQ(beta(x, k).ToVector()[0], 0.0);
  EXPECT_EQ(key(x, k).shape(), (Shape{2, 6, 3, 5}));
  EXPECT_EQ(key(x, k).ToVector()[0], 1.0);
}

}  // namespace
}  // namespace palimpsest
