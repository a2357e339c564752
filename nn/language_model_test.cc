// What of a language model does not depend on its mixers.
#include <cmath>
#include <string>
#include <vector>

#include "core/tape.h"
#include "gtest/gtest.h"
#include "nn/testing.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

constexpr char kAttention[] = "attention { heads: 2 }";

TEST(LanguageModel, ParametersHaveReadablePaths) {
  const auto model = SmallModel(kAttention, "layers: 1");
  std::vector<std::string> paths;
  model->ForEachParam([&](const std::string& path, Tensor&) { paths.push_back(path); });
  EXPECT_EQ(paths,
            (std::vector<std::string>{
                "embedding.weight", "blocks.0.mixer_norm.weight", "blocks.0.mixer.q.weight",
                "blocks.0.mixer.k.weight", "blocks.0.mixer.v.weight", "blocks.0.mixer.o.weight",
                "blocks.0.mlp_norm.weight", "blocks.0.mlp.gate.weight", "blocks.0.mlp.up.weight",
                "blocks.0.mlp.down.weight", "norm.weight", "head.weight"}));
  EXPECT_EQ(NumParams(*model), 2 * 11 * 8 + 3 * 8 + 4 * 8 * 8 + 3 * 8 * 12);
}

TEST(LanguageModel, ABlockDrawsTheSameWhateverElseThereIs) {
  const std::string plain = "scale_residual_init: false ";
  auto two = SmallModel(kAttention, plain),
       three = SmallModel(kAttention, plain + "layers: 3 tie_embeddings: true");
  const NamedTensors larger = Params(*three);
  EXPECT_FALSE(larger.contains("head.weight"));
  for (const auto& [path, param] : Params(*two)) {
    if (path == "head.weight") continue;
    ASSERT_TRUE(larger.contains(path)) << path;
    EXPECT_EQ(param.ToVector(), larger.at(path).ToVector()) << path;
  }
}

TEST(LanguageModel, LayersCycleThroughTheBlocks) {
  auto model =
      LanguageModel::Create(ParseModel("vocab_size: 11 width: 8 layers: 5 block { attention { "
                                       "heads: 2 } } block { mlp { kind: GELU } }"),
                            RandomStream(1, "init"));
  ASSERT_TRUE(model.ok()) << model.status();
  const NamedTensors params = Params(**model);
  for (int i = 0; i < 5; ++i) {
    const std::string block = "blocks." + std::to_string(i);
    EXPECT_EQ(params.contains(block + ".mixer.q.weight"), i % 2 == 0) << i;
    EXPECT_EQ(params.contains(block + ".mlp.gate.weight"), i % 2 == 0) << i;
  }
  EXPECT_EQ((*model)->config().block(1).mlp().hidden(), 32);
}

TEST(LanguageModel, StartsAtTheConfiguredSpread) {
  auto model = LanguageModel::Create(
      ParseModel("vocab_size: 500 width: 64 layers: 8 init_std: 0.05 block { attention {} }"),
      RandomStream(1, "init"));
  ASSERT_TRUE(model.ok()) << model.status();
  const NamedTensors params = Params(**model);
  const auto stddev = [&](const std::string& path) {
    const Tensor& w = params.at(path);
    return Norm(w).Item() / std::sqrt(static_cast<double>(w.size()));
  };
  EXPECT_NEAR(stddev("embedding.weight"), 0.05, 0.002);
  EXPECT_NEAR(stddev("head.weight"), 0.05, 0.002);
  EXPECT_NEAR(stddev("blocks.0.mixer.q.weight"), 0.05, 0.003);
  EXPECT_NEAR(stddev("blocks.0.mixer.o.weight"), 0.05 / 4.0, 0.0008);
  EXPECT_NEAR(stddev("blocks.0.mlp.down.weight"), 0.05 / 4.0, 0.0008);
  EXPECT_EQ(stddev("norm.weight"), 1.0);
}

TEST(LanguageModel, FirstLossIsThatOfAUniformGuess) {
  const auto model = SmallModel(kAttention);
  const Tensor tokens = RandomTokens(4, 9);
  EXPECT_NEAR(CrossEntropy(model->Forward(tokens).logits, tokens).Item(), std::log(11.0), 0.1);
}

TEST(LanguageModel, TiedHeadIsTheEmbedding) {
  const auto tied = SmallModel(kAttention, "tie_embeddings: true"), untied = SmallModel(kAttention);
  Tensor embedding;
  tied->ForEachParam([&](const std::string& path, Tensor& param) {
    if (path == "embedding.weight") embedding = param;
  });
  untied->ForEachParam([&](const std::string& path, Tensor& param) {
    if (path == "head.weight") param = embedding;
  });
  EXPECT_EQ(NumParams(*untied) - NumParams(*tied), 11 * 8);
  const Tensor tokens = RandomTokens(2, 5);
  EXPECT_EQ(tied->Forward(tokens).logits.ToVector(), untied->Forward(tokens).logits.ToVector());
}

TEST(LanguageModel, DropsOnlyWhenTrainingAndTheSameForTheSameStream) {
  const auto model = SmallModel(kAttention, "dropout: 0.5 embedding_dropout: 0.25"),
             plain = SmallModel(kAttention);
  const Tensor tokens = RandomTokens(2, 9);
  const RandomStream a(1, "dropout", 1), b(1, "dropout", 2);
  const auto logits = [&](const RandomStream* stream) {
    return model->Forward(tokens, {.state = {}, .dropout = stream}).logits.ToVector();
  };
  EXPECT_EQ(logits(nullptr), plain->Forward(tokens).logits.ToVector());
  EXPECT_EQ(logits(&a), logits(&a));
  EXPECT_NE(logits(&a), logits(&b));
  EXPECT_NE(logits(&a), logits(nullptr));
}

TEST(LanguageModel, LearnedPositionsFollowTheStream) {
  const auto model = SmallModel("attention { heads: 2 rope: false }", "learned_positions: 6");
  const Tensor tokens = RandomTokens(1, 6);
  const Tensor whole = model->Forward(tokens).logits;
  const ForwardResult first = model->Forward(Slice(tokens, 1, 0, 4));
  const Tensor rest = model->Forward(Slice(tokens, 1, 4, 6), {.state = first.state}).logits;
  EXPECT_LT(MaxDifference(Slice(whole, 1, 4, 6), rest), 1e-12);
  EXPECT_DEATH(model->Forward(RandomTokens(1, 7)), "learned_positions: 6");
}

TEST(LanguageModel, UninitializedItHasTheSameParametersAndState) {
  const std::string blocks =
      "block { attention { heads: 2 persistent: 2 } } "
      "block { memory { rule { name: 'titans_mlp' } heads: 2 persistent: 3 } } "
      "block { titans { attention { heads: 2 } memory { heads: 2 } } }";
  const ModelConfig config = ParseModel("vocab_size: 11 width: 8 learned_positions: 9 " + blocks);
  auto whole = LanguageModel::Create(config, RandomStream(1, "init")),
       shapes = LanguageModel::CreateUninitialized(config);
  ASSERT_TRUE(whole.ok() && shapes.ok());
  const NamedTensors expected = Params(**whole), params = Params(**shapes);
  ASSERT_EQ(params.size(), expected.size());
  for (const auto& [path, param] : expected) {
    EXPECT_EQ(params.at(path).shape(), param.shape()) << path;
    EXPECT_EQ(params.at(path).dtype(), param.dtype()) << path;
  }
  EXPECT_EQ(StateBytes(**shapes, 7), StateBytes(**whole, 7));
  (*shapes)->ForEachParam([&](const std::string& path, Tensor& x) { x = expected.at(path); });
  const Tensor tokens = RandomTokens(1, 7);
  EXPECT_EQ((*shapes)->Forward(tokens).logits.ToVector(),
            (*whole)->Forward(tokens).logits.ToVector());
}

TEST(LanguageModel, StateOfAnotherModelIsRefused) {
  const auto model = SmallModel(kAttention), other = SmallModel("");
  const NamedTensors state = other->Forward(RandomTokens(1, 3)).state;
  EXPECT_DEATH(model->Forward(RandomTokens(1, 3), {.state = state}), "no \"k\"");
}

TEST(LanguageModel, WindowBoundsTheCache) {
  const auto windowed = SmallModel("attention { heads: 2 window: 4 }"),
             full = SmallModel(kAttention);
  EXPECT_EQ(StateBytes(*windowed, 1000), StateBytes(*windowed, 3));
  EXPECT_EQ(StateBytes(*full, 1000), 100 * StateBytes(*full, 10));
}

}  // namespace
}  // namespace palimpsest
