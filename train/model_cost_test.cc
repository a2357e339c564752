#include "train/model_cost.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/tape.h"
#include "ops/flop_count.h"
#include "train/proto_text.h"

namespace palimpsest {
namespace {

std::unique_ptr<LanguageModel> MakeModel(const std::string& text) {
  ModelConfig config;
  EXPECT_TRUE(ParseTextProto(text, "test", &config).ok());
  absl::StatusOr<std::unique_ptr<LanguageModel>> model =
      LanguageModel::Create(config, RandomStream(0, "init"));
  EXPECT_TRUE(model.ok()) << std::string(model.status().message());
  return *std::move(model);
}

TEST(CostOf, CountsParametersWithAndWithoutEmbeddings) {
  const auto tied =
      MakeModel("vocab_size: 10 width: 8 tie_embeddings: true block { mlp { hidden: 16 } }");
  const auto untied = MakeModel("vocab_size: 10 width: 8 block { mlp { hidden: 16 } }");
  const ModelCost a = CostOf(*tied, 4), b = CostOf(*untied, 4);
  EXPECT_EQ(a.parameters, NumParams(*tied));
  EXPECT_EQ(a.parameters - a.non_embedding_parameters, 10 * 8);
  EXPECT_EQ(b.parameters - b.non_embedding_parameters, 2 * 10 * 8);
  EXPECT_EQ(a.non_embedding_parameters, b.non_embedding_parameters);
}

// Of a wider MLP only the matrix products grow: two more FLOPs for each weight more, and a few of
// elementwise ops.
TEST(CostOf, CountsTwoFlopsAWeight) {
  const auto narrow = MakeModel("vocab_size: 10 width: 64 block { mlp { hidden: 128 } }");
  const auto wide = MakeModel("vocab_size: 10 width: 64 block { mlp { hidden: 256 } }");
  const ModelCost a = CostOf(*narrow, 16), b = CostOf(*wide, 16);
  const auto weights = static_cast<double>(b.parameters - a.parameters);
  EXPECT_GE(b.flops_per_token - a.flops_per_token, 2 * weights);
  EXPECT_LE(b.flops_per_token - a.flops_per_token, 2.1 * weights);
}

TEST(CostOf, AttentionCostsMoreATokenInALongerSequenceAndKeepsMore) {
  const auto attention = MakeModel("vocab_size: 10 width: 16 block { attention { heads: 2 } }");
  const ModelCost small = CostOf(*attention, 8), large = CostOf(*attention, 64);
  EXPECT_GT(large.flops_per_token, small.flops_per_token);
  EXPECT_EQ(large.state_bytes, 8 * small.state_bytes);
  EXPECT_EQ(large.parameters, small.parameters);
}

TEST(CostOf, ExtrapolatesToLongSequences) {
  const auto attention = MakeModel(
      "vocab_size: 10 width: 16 block { attention { heads: 1 } } block { memory { rule { name: "
      "'delta' } heads: 2 } }");
  constexpr int64_t kLength = 2048;
  double whole = 0;
  {
    const ComposedScope composed;
    const FlopCount count;
    attention->Forward(Tensor::From<int32_t>({1, kLength}, std::vector<int32_t>(kLength)));
    whole = static_cast<double>(count.flops()) / kLength;
  }
  EXPECT_NEAR(CostOf(*attention, kLength).flops_per_token, whole, 1e-3 * whole);
}

}  // namespace
}  // namespace palimpsest
