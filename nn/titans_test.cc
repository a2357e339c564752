#include "nn/titans.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "nn/attention.h"
#include "nn/memory_layer.h"
#include "nn/testing.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

constexpr int64_t kTime = 11, kSegment = 4, kWidth = 8;

ModelConfig Resolved(const std::string& titans) {
  return SmallModel("titans { segment: 4 memory { heads: 2 chunk: 4 } " + titans + " }")->config();
}

Tensor Input(int64_t time = kTime) {
  return RandomNormal({2, time, kWidth}, RandomStream(3, "x"), DType::kF64);
}

ParamInit Init() { return {RandomStream(1, "init"), DType::kF64, Device::kCpu, 0.5, 0.5}; }

Tensor Token(const Tensor& x, int64_t t) { return Slice(x, 1, t, t + 1); }

// The equations, part by part and token by token: those of a part's parameters are drawn alike.
struct Oracle {
  explicit Oracle(const ModelConfig& model)
      : config(model.block(0).titans()),
        attention(Init().At("attention"), model, config.attention()),
        memory(Init().At("memory"), model, config.memory()),
        o(MakeLinear(Init().At("o"), kWidth, kWidth, 0.5)) {}

  Tensor Product(const Tensor& y, const Tensor& m) const {
    const Tensor one = Tensor::Full({kWidth}, 1.0, DType::kF64);
    return o(Mul(RmsNorm(y, one, 1e-6), Sigmoid(RmsNorm(m, one, 1e-6))));
  }

  const ModelConfig::Titans& config;
  Attention attention;
  MemoryLayer memory;
  Linear o;
};

MixerResult Forwarded(const Mixer& mixer, const Tensor& x) {
  return mixer.Forward({x, mixer.InitState(2)});
}

TEST(Titans, GateIsAttentionTimesMemory) {
  const ModelConfig config = Resolved("kind: MAG persistent: 3");
  const Oracle parts(config);
  const Tensor x = Input();
  const Tensor y = Forwarded(*MakeTitans(Init(), config, parts.config), x).y;
  const Tensor expected =
      parts.Product(Forwarded(parts.attention, x).y, Forwarded(parts.memory, x).y);
  EXPECT_LT(MaxDifference(y, expected), 1e-12);
}

TEST(Titans, LayerIsAttentionOfTheMemory) {
  const ModelConfig config = Resolved("kind: MAL");
  const Oracle parts(config);
  const Tensor x = Input(), one = Tensor::Full({kWidth}, 1.0, DType::kF64);
  const Tensor y = Forwarded(*MakeTitans(Init(), config, parts.config), x).y;
  const Tensor m = RmsNorm(Forwarded(parts.memory, x).y, one, 1e-6);
  EXPECT_LT(MaxDifference(y, Forwarded(parts.attention, m).y), 1e-12);
}

// Token t of a segment asks once, and sees the persistent tokens, h_1 ... h_t and x_1 ... x_t: here
// all of h before all of x, as softmax does not mind.
TEST(Titans, ContextIsWhatTheMemoryRecallsAtTheSegmentsStart) {
  const ModelConfig config = Resolved("persistent: 3");
  const Oracle parts(config);
  const Tensor x = Input();
  NamedTensors memory = parts.memory.InitState(2), tail = parts.memory.InitRecallTails(2), none;
  Tensors expected;
  for (int64_t begin = 0; begin < kTime; begin += kSegment) {
    const NamedTensors at_start = memory, prefix = parts.attention.InitState(2);
    Tensors hk, hv, xk, xv;
    for (int64_t t = begin; t < std::min(kTime, begin + kSegment); ++t) {
      const Tensor now = Token(x, t), h = parts.memory.Recall(now, at_start, tail);
      hk.push_back(parts.attention.Keys(h, t - begin, none));
      hv.push_back(parts.attention.Values(h, none));
      xk.push_back(parts.attention.Keys(now, t - begin, none));
      xv.push_back(parts.attention.Values(now, none));
      const Tensor k = Concat({prefix.at("k"), Concat(hk, 1), Concat(xk, 1)}, 1);
      const Tensor v = Concat({prefix.at("v"), Concat(hv, 1), Concat(xv, 1)}, 1);
      const Tensor q = parts.attention.Queries(now, t - begin, none);
      const Tensor y = parts.attention.Output(CausalAttention(q, k, v));
      MixerResult m = parts.memory.Forward({y, memory, t});
      memory = std::move(m.state);
      expected.push_back(parts.Product(y, m.y));
    }
  }
  const Tensor y = Forwarded(*MakeTitans(Init(), config, parts.config), x).y;
  EXPECT_LT(MaxDifference(y, Concat(expected, 1)), 1e-12);
}

TEST(Titans, StateOfMacIsBoundedByTheSegment) {
  const auto model = SmallModel("titans { segment: 6 attention { heads: 2 } memory { heads: 2 } }");
  int64_t most = 0;
  for (int64_t time = 0; time < 40; ++time) most = std::max(most, StateBytes(*model, time));
  EXPECT_EQ(most, StateBytes(*model, 5));
  EXPECT_EQ(StateBytes(*model, 6), StateBytes(*model, 0));
}

TEST(Titans, ConfigSaysWhichPartsHavePersistentTokens) {
  const auto counts = [](const std::string& kind) {
    const ModelConfig::Titans t = Resolved(kind).block(0).titans();
    return std::pair(t.attention().persistent(), t.memory().persistent());
  };
  EXPECT_EQ(counts("kind: MAC"), std::pair(int64_t{4}, int64_t{0}));
  EXPECT_EQ(counts("kind: MAG persistent: 2"), std::pair(int64_t{2}, int64_t{2}));
  EXPECT_EQ(counts("kind: MAL attention { heads: 2 persistent: 1 }"),
            std::pair(int64_t{1}, int64_t{4}));
  EXPECT_EQ(counts("kind: MAG persistent: 0"), std::pair(int64_t{0}, int64_t{0}));
  const ModelConfig::Titans t = Resolved("kind: MAG").block(0).titans();
  EXPECT_EQ(t.attention().window(), 4);
  EXPECT_EQ(t.memory().rule().name(), "titans_mlp");
}

// What is said before a sequence by learnt tokens is what real ones would have said.
TEST(Persistent, TokensAreAPrefix) {
  for (const std::string block : {"attention { heads: 2 conv: 3 ",
                                  "memory { rule { name: 'titans_mlp' } heads: 2 chunk: 3 "}) {
    const ModelConfig with = SmallModel(block + "persistent: 3 }")->config(),
                      without = SmallModel(block + "}")->config();
    const auto make = [&](const ModelConfig& model) -> std::unique_ptr<Mixer> {
      const auto& b = model.block(0);
      if (b.has_attention()) return std::make_unique<Attention>(Init(), model, b.attention());
      return std::make_unique<MemoryLayer>(Init(), model, b.memory());
    };
    const auto mixer = make(with), plain = make(without);
    Tensor persistent;
    mixer->ForEachParam("", [&](const std::string& path, Tensor& param) {
      if (path == ".persistent") persistent = param;
    });
    ASSERT_EQ(persistent.shape(), (Shape{3, kWidth}));
    const Tensor x = Input();
    const Tensor both =
        Concat({BroadcastTo(Reshape(persistent, {1, 3, kWidth}), {2, 3, kWidth}), x}, 1);
    const Tensor expected = Slice(Forwarded(*plain, both).y, 1, 3, 3 + kTime);
    EXPECT_LT(MaxDifference(Forwarded(*mixer, x).y, expected), 1e-12) << block;
  }
}

}  // namespace
}  // namespace palimpsest
