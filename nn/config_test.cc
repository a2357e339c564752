#include "nn/config.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nn/testing.h"

namespace palimpsest {
namespace {

struct BadConfig {
  std::string text, problem;
};

TEST(ResolveModelConfig, NamesWhatIsWrongAndWhere) {
  const std::string ok = "block { attention {} } ";
  const std::vector<BadConfig> cases = {
      {"vocab_size: 0 " + ok, "vocab_size: 0 is not between 1 and"},
      {"width: -3 " + ok, "width: -3 is not between 1 and"},
      {"", "block: none given"},
      {"layers: 1 block {} block {}", "layers: 1 leaves some of the 2 blocks unused"},
      {"layers: 10001 " + ok, "model.layers: 10001 is not between 0 and 10000"},
      {"dropout: 1 " + ok, "dropout: 1 is not in [0, 1)"},
      {"embedding_dropout: -0.1 " + ok, "embedding_dropout: -0.1 is not in [0, 1)"},
      {"norm_eps: 0 " + ok, "norm_eps: 0 is not positive"},
      {"init_std: nan " + ok, "init_std: nan is not positive"},
      {"learned_positions: -1 " + ok, "learned_positions: -1 is not between 0 and"},
      {"mup_base_width: -1 " + ok, "mup_base_width: -1 is not between 0 and"},
      {"zero_init_head: true tie_embeddings: true " + ok,
       "zero_init_head: the head is the embedding"},
      {"block { attention { heads: 5 } }",
       "model.block.0.attention.heads: 5 does not divide width 128"},
      {"block { attention { heads: 0 } }",
       "model.block.0.attention.heads: 0 needs a key_dim, here or of the model"},
      {"block { attention { kv_heads: 3 } }",
       "model.block.0.attention.kv_heads: 3 does not divide heads 4"},
      {"block { attention { key_dim: 3 } }",
       "model.block.0.attention.rope: needs an even key_dim, not 3"},
      {"block { attention { window: -1 } }",
       "model.block.0.attention.window: -1 is not between 0 and"},
      {ok + "block { memory { rule { name: 'delta' } heads: 5 } }",
       "model.block.1.memory.heads: 5 does not divide width 128"},
      {"block { memory {} }", "model.block.0.memory.rule.name: none given; known: "},
      {"block { memory { rule { name: 'dleta' } } }", "model.block.0.memory.rule.name: "},
      {"block { memory { rule { name: 'dleta' } } }", "gated_delta"},
      {"block { memory { rule { name: 'delta' params { key: 'depht' value: 2 } } } }", "depht"},
      {"block { memory { rule { name: 'delta' } value_heads: 6 } }",
       "model.block.0.memory.value_heads: 6 is not a multiple of heads 4"},
      {"block { memory { rule { name: 'delta' } expand_v: 0.3 } }",
       "model.block.0.memory.expand_v: 0.3 times key_dim 32 is not a whole number"},
      {"block { memory { rule { name: 'delta' } chunk: -1 } }",
       "model.block.0.memory.chunk: -1 is not between 0 and"},
      {"block { memory { rule { name: 'delta' } q_scale: 0 } }",
       "model.block.0.memory.q_scale: 0 is not positive"},
      {"block { memory { rule { name: 'delta' } gate { name: 'bta' } } }",
       "model.block.0.memory.gate.0.name: \"bta\" is not a gate of delta; its gates: "},
      {"block { memory { rule { name: 'delta' } gate { name: 'beta' init: 3 } } }",
       "model.block.0.memory.gate.0.init: 3 is not between 0 and"},
      {"block { memory { rule { name: 'delta' } gate { name: 'beta' max: 3 } } }",
       "model.block.0.memory.gate.0.max: 3 is neither 1 nor 2"},
      {"block { memory { rule { name: 'gated_delta' } gate { name: 'log_keep' max: 2 } } }",
       "model.block.0.memory.gate.0.max: is for strengths"},
      {"block { memory { rule { name: 'delta' } gate { name: 'beta' } gate { name: 'beta' } } }",
       "model.block.0.memory.gate.1.name: \"beta\" is given twice"},
      {"block { memory { rule { name: 'delta' } persistent: -1 } }",
       "model.block.0.memory.persistent: -1 is not between 0 and"},
      {"block { attention { persistent: -1 } }",
       "model.block.0.attention.persistent: -1 is not between 0 and"},
      {"block { titans { segment: 0 } }", "model.block.0.titans.segment: 0 is not between 1 and"},
      {"block { titans { attention { window: 8 } } }",
       "model.block.0.titans.attention.window: 8 is for MAG and MAL"},
      {"block { titans { memory { heads: 5 } } }",
       "model.block.0.titans.memory.heads: 5 does not divide width 128"},
      {"key_dim: 48 block { attention { heads: 0 } }",
       "model.block.0.attention.key_dim: 48 does not divide 128"},
      {"key_dim: -1 " + ok, "model.key_dim: -1 is not between 0 and"},
      {"block { memory { rule { name: 'delta' } expand_k: 0.3 } }",
       "model.block.0.memory.expand_k: 0.3 times width 128 is not a whole number of keys"},
      {"block { memory { rule { name: 'delta' } gate { name: 'beta' value: 1.5 } } }",
       "model.block.0.memory.gate.0.value: 1.5 is neither between 0 and 1 nor at the end of it"},
      {"block { memory { rule { name: 'delta' } gate { name: 'beta' value: 1 init: 0.5 } } }",
       "model.block.0.memory.gate.0.value: is not learnt"},
      {"block { cms {} }", "model.block.0.cms.level: none given"},
      {"block { cms { max_update: -1 level {} } }",
       "model.block.0.cms.max_update: -1 is negative or not finite"},
      {"block { cms { level { period: -1 } } }",
       "model.block.0.cms.level.0.period: -1 is not between 0 and"},
      {"block { cms { level {} level { period: 4 rate: 0 } } }",
       "model.block.0.cms.level.1.rate: 0 is not positive"},
      {"block { cms { level { mlp { kind: NONE } } } }",
       "model.block.0.cms.level.0.mlp.kind: NONE: a level is an MLP"},
      {"block { cms { level { frozen: true } } }",
       "model.block.0.cms.level.0.frozen: a level of period 0"},
      {"block { cms { level { mlp { hidden: -4 } } } }",
       "model.block.0.cms.level.0.mlp.hidden: -4 is not between 0 and"},
      {"block { cms { order: NESTED level { period: 6 } level { period: 4 } } }",
       "model.block.0.cms.level.1.period: 4 does not divide 6"},
      {"block { cms { writes: FIRST_ORDER project_keys: true level { period: 6 } } }",
       "model.block.0.cms.project_keys: with writes FIRST_ORDER"},
      {"block { mlp { hidden: -4 } }", "model.block.0.mlp.hidden: -4 is not between 0 and"},
      {"block { mlp { expansion: -1 } }",
       "model.block.0.mlp.expansion: -1 is negative or too large"},
  };
  for (const BadConfig& bad : cases) {
    const auto resolved = ResolveModelConfig(ParseModel("vocab_size: 11", bad.text));
    ASSERT_FALSE(resolved.ok()) << bad.text;
    EXPECT_EQ(resolved.status().code(), absl::StatusCode::kInvalidArgument) << bad.text;
    EXPECT_THAT(std::string(resolved.status().message()), testing::HasSubstr(bad.problem))
        << bad.text;
  }
}

TEST(ResolveModelConfig, HeadsFollowTheWidthAndTheirLength) {
  const auto resolved = ResolveModelConfig(
      ParseModel("vocab_size: 11 width: 96 key_dim: 16 block { attention { heads: 0 } } "
                 "block { memory { rule { name: 'delta' } heads: 0 expand_k: 0.5 } } "
                 "block { memory { rule { name: 'delta' } heads: 0 key_dim: 32 } } "
                 "block { memory { rule { name: 'delta' } heads: 3 expand_k: 0.5 } } "
                 "block { titans { attention { heads: 0 } memory { heads: 0 } } } "
                 "block { self_modifying { heads: 0 } }"));
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->block(0).attention().heads(), 6);
  EXPECT_EQ(resolved->block(1).memory().heads(), 3);
  EXPECT_EQ(resolved->block(1).memory().key_dim(), 16);
  EXPECT_EQ(resolved->block(2).memory().heads(), 3);
  EXPECT_EQ(resolved->block(3).memory().key_dim(), 16);
  EXPECT_EQ(resolved->block(4).titans().attention().heads(), 6);
  EXPECT_EQ(resolved->block(4).titans().memory().heads(), 6);
  EXPECT_EQ(resolved->block(5).self_modifying().heads(), 6);
}

TEST(ResolveModelConfig, FillsInWhatFollowsFromOtherFields) {
  const auto resolved = ResolveModelConfig(ParseModel(
      "vocab_size: 11 width: 96 block { attention {} } block { memory { rule { name: 'titans_mlp' "
      "} heads: 2 } "
      "mlp { kind: RELU } } block { memory { rule { name: 'delta' } } mlp { kind: NONE } }"));
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->layers(), 3);
  EXPECT_EQ(resolved->block(0).attention().key_dim(), 24);
  EXPECT_EQ(resolved->block(0).attention().kv_heads(), 4);
  EXPECT_EQ(resolved->block(0).mlp().hidden(), 256);
  EXPECT_EQ(resolved->block(1).memory().key_dim(), 48);
  EXPECT_EQ(resolved->block(1).memory().value_heads(), 2);
  EXPECT_EQ(resolved->block(1).memory().chunk(), 16);
  EXPECT_EQ(resolved->block(1).mlp().hidden(), 384);
  EXPECT_EQ(resolved->block(2).memory().chunk(), 64);
  const auto again = ResolveModelConfig(*resolved);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->DebugString(), resolved->DebugString());
}

}  // namespace
}  // namespace palimpsest
