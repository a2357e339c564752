#include "nn/memory_layer.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nn/testing.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

std::vector<std::string> InitialPaths(const std::string& block) {
  const auto model = SmallModel(block, "layers: 1");
  std::vector<std::string> paths;
  model->ForEachParam([&](const std::string& path, Tensor&) {
    if (path.find(".initial.") != std::string::npos) paths.push_back(path);
  });
  return paths;
}

std::string Memory(const std::string& rule, const std::string& more = "") {
  return "memory { rule { name: '" + rule + "' } heads: 2 " + more + " }";
}

ModelConfig Config(const std::string& block) {
  return ParseModel("vocab_size: 11 width: 8 block { " + block + " }");
}

TEST(MemoryLayer, LearnsTheInitialStateThatIsNotZero) {
  EXPECT_TRUE(InitialPaths(Memory("delta")).empty());
  EXPECT_FALSE(InitialPaths(Memory("titans_mlp")).empty());
  EXPECT_EQ(InitialPaths(Memory("delta", "learn_initial_state: true")),
            std::vector<std::string>{"blocks.0.mixer.initial.0"});
  EXPECT_TRUE(InitialPaths(Memory("titans_mlp", "learn_initial_state: false")).empty());
}

TEST(MemoryLayer, FixedInitialStateIsTheSameForEverySeed) {
  const ModelConfig config = Config(Memory("titans_mlp", "learn_initial_state: false"));
  auto a = LanguageModel::Create(config, RandomStream(1, "init"));
  auto b = LanguageModel::Create(config, RandomStream(2, "init"));
  ASSERT_TRUE(a.ok() && b.ok());
  const NamedTensors from = Params(**a);
  (*b)->ForEachParam([&](const std::string& path, Tensor& param) { param = from.at(path); });
  const Tensor tokens = RandomTokens(2, 9);
  EXPECT_EQ((*a)->Forward(tokens).logits.ToVector(), (*b)->Forward(tokens).logits.ToVector());
}

TEST(MemoryLayer, InitialStateIsThatOfEverySequence) {
  const auto model = SmallModel(Memory("delta", "learn_initial_state: true"), "layers: 1");
  Jitter(*model);
  const Tensor initial = Params(*model).at("blocks.0.mixer.initial.0");
  const Tensor fresh = model->InitState(3).at("blocks.0.mixer.memory.0");
  EXPECT_EQ(initial.shape(), (Shape{2, 4, 4}));
  EXPECT_EQ(fresh.shape(), (Shape{6, 4, 4}));
  for (int64_t b = 0; b < 3; ++b)
    EXPECT_EQ(fresh.Rows(2 * b, 2 * b + 2).ToVector(), initial.ToVector());
}

TEST(MemoryLayer, SizesFollowTheConfig) {
  const auto model =
      SmallModel(Memory("delta", "key_dim: 3 value_heads: 4 expand_v: 2 conv: 3"), "layers: 1");
  const NamedTensors params = Params(*model);
  EXPECT_EQ(params.at("blocks.0.mixer.q.weight").shape(), (Shape{6, 8}));
  EXPECT_EQ(params.at("blocks.0.mixer.v.weight").shape(), (Shape{24, 8}));
  EXPECT_EQ(params.at("blocks.0.mixer.k_conv.weight").shape(), (Shape{6, 3}));
  EXPECT_EQ(params.at("blocks.0.mixer.o_norm.weight").shape(), (Shape{6}));
  EXPECT_EQ(params.at("blocks.0.mixer.o.weight").shape(), (Shape{8, 24}));
  EXPECT_EQ(model->InitState(1).at("blocks.0.mixer.memory.0").size(), 4 * 6 * 3);
}

TEST(MemoryLayer, OutputGateAndConvolutionMayBeLeftOut) {
  const NamedTensors params =
      Params(*SmallModel(Memory("delta", "conv: 0 output_gate: NONE"), "layers: 1"));
  for (const auto& [path, param] : params) {
    EXPECT_EQ(path.find("conv"), std::string::npos) << path;
    EXPECT_NE(path, "blocks.0.mixer.g.weight");
  }
}

// Of a linear memory the readings are linear in q, and the norm after them takes out any factor.
TEST(MemoryLayer, ScaleOfQueriesOfALinearMemoryIsNormalizedAway) {
  const Tensor tokens = RandomTokens(2, 9);
  const auto logits = [&](const std::string& more) {
    const auto model = SmallModel(Memory("delta", more), "norm_eps: 1e-12");
    Jitter(*model);
    return model->Forward(tokens).logits;
  };
  EXPECT_LT(MaxDifference(logits(""), logits("q_scale: 0.5")), 1e-5);
}

}  // namespace
}  // namespace palimpsest
