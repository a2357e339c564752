#include "nn/self_modifying.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "core/tape.h"
#include "nn/config.h"
#include "nn/testing.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;

std::string Block(const std::string& more = "") {
  return "self_modifying { heads: 2 " + more + " }";
}

std::string Refusal(const std::string& more) {
  const auto resolved = ResolveModelConfig(
      ParseModel("vocab_size: 11 width: 8 block { self_modifying { " + more + " } }"));
  return std::string(resolved.status().message());
}

std::vector<std::string> MixerPaths(const std::string& more) {
  const auto model = SmallModel(Block(more), "layers: 1");
  std::vector<std::string> paths;
  const std::string prefix = "blocks.0.mixer.";
  model->ForEachParam([&](const std::string& path, Tensor&) {
    if (path.compare(0, prefix.size(), prefix) == 0) paths.push_back(path.substr(prefix.size()));
  });
  return paths;
}

TEST(SelfModifying, WhatAMemoryMakesNeedsNoMatrix) {
  EXPECT_THAT(MixerPaths("structure: LINEAR"),
              testing::UnorderedElementsAre(
                  "q.weight", "q_conv.weight", "v.weight", "v_conv.weight", "x.weight",
                  "x_conv.weight", "eta.skip", "eta.bias", "keep.skip", "keep.bias", "momentum",
                  "initial.k.0", "initial.v.0", "initial.memory.0", "initial.eta.0",
                  "initial.keep.0", "g.weight", "o_norm.weight", "o.weight"));
  EXPECT_THAT(MixerPaths("k: STATIC v: STATIC eta: STATIC weight_decay: false momentum: NONE "
                         "conv: 0 output_gate: NONE"),
              testing::UnorderedElementsAre("q.weight", "k.weight", "v.weight", "eta.weight",
                                            "eta.bias", "initial.memory.0", "initial.memory.1",
                                            "o_norm.weight", "o.weight"));
}

TEST(SelfModifying, RefusesWhatCannotBe) {
  EXPECT_EQ(Refusal(""), "");
  EXPECT_EQ(Refusal("chunk: 8 box_chunk: 64"), "");
  EXPECT_EQ(Refusal("chunk: 64 box_chunk: 8"), "");
  EXPECT_EQ(Refusal("structure: LINEAR error: EXACT momentum: STEP"), "");
  EXPECT_EQ(Refusal("structure: LINEAR error: EXACT rule: GD"), "");
  EXPECT_EQ(
      Refusal("chunk: 8 box_chunk: 12"),
      "model.block.0.self_modifying.box_chunk: 12 is neither a multiple of chunk 8 nor a part "
      "of it");
  EXPECT_EQ(Refusal("heads: 3"),
            "model.block.0.self_modifying.heads: 3 does not divide width 8; choose another or set "
            "key_dim");
  EXPECT_THAT(Refusal("error: EXACT"), HasSubstr("error: EXACT needs structure: LINEAR"));
  EXPECT_THAT(Refusal("error: EXACT structure: LINEAR momentum: GRADIENT"),
              HasSubstr("needs momentum: STEP or NONE"));
  EXPECT_THAT(Refusal("error: EXACT structure: LINEAR stop_gradient_target: false"),
              HasSubstr("needs stop_gradient_target: true"));
  EXPECT_THAT(Refusal("eta_init: 0.5 eta_max: 0.4"),
              HasSubstr("eta_init: 0.5 is not between 0 and eta_max 0.4"));
  EXPECT_THAT(Refusal("keep_init: 1"), HasSubstr("keep_init: 1 is not between 0 and 1"));
  EXPECT_THAT(Refusal("momentum_init: 0"), HasSubstr("momentum_init: 0 is not between"));
  EXPECT_THAT(Refusal("max_error: -1"), HasSubstr("max_error: -1 is neither 0 nor"));
  EXPECT_THAT(Refusal("chunk: -1"), HasSubstr("chunk: -1"));
  EXPECT_THAT(Refusal("hidden: -1"), HasSubstr("hidden: -1"));
}

TEST(SelfModifying, HeadsFollowTheWidth) {
  const auto resolved = ResolveModelConfig(ParseModel(
      "vocab_size: 11 width: 12 key_dim: 4 block { self_modifying { heads: 0 chunk: 4 } }"));
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  const ModelConfig::SelfModifying& s = resolved->block(0).self_modifying();
  EXPECT_EQ(s.heads(), 3);
  EXPECT_EQ(s.key_dim(), 4);
  EXPECT_EQ(s.hidden(), 4);
  EXPECT_EQ(s.box_chunk(), 4);
  EXPECT_EQ(s.eta_max(), 1.0);
  EXPECT_EQ(s.eta_init(), 0.3);
}

// By what name each tensor of the state goes, and that both its chunks and their phase are there.
TEST(SelfModifying, CarriesStatesAndAnchorsByName) {
  const auto names = [](const std::string& more) {
    std::vector<std::string> all;
    for (const auto& [name, x] : SmallModel(Block(more), "layers: 1")->InitState(1))
      all.push_back(name);
    return all;
  };
  const std::string m = "blocks.0.mixer.";
  EXPECT_THAT(names("structure: LINEAR"),
              testing::UnorderedElementsAre(m + "memory.0", m + "memory.1", m + "memory_anchor.0",
                                            m + "memory_anchor.1", m + "q_conv", m + "v_conv",
                                            m + "x_conv", "position"));
  EXPECT_THAT(names("structure: LINEAR chunk: 4 box_chunk: 8 momentum: NONE conv: 0"),
              testing::UnorderedElementsAre(m + "memory.0", m + "memory_anchor.0", m + "boxes.0",
                                            m + "boxes_anchor.0", "position"));
}

// One stack or two, the function is the same: only the chunks differ.
TEST(SelfModifying, StacksOfOneChunkSizeAreAsWellApart) {
  const Tensor tokens = RandomTokens(2, 5);
  std::vector<Tensor> logits;
  for (const char* chunks : {"chunk: 8 eta_max: 0.2", "chunk: 8 box_chunk: 16 eta_max: 0.2"}) {
    const auto model = SmallModel(Block(chunks));
    Jitter(*model, 0.1);
    logits.push_back(model->Forward(tokens).logits);
  }
  EXPECT_LT(MaxDifference(logits[0], logits[1]), 1e-13);
}

TEST(SelfModifying, FreshGatesAreWhereTheConfigSays) {
  std::map<std::string, double> seen;
  const auto model =
      SmallModel("self_modifying { heads: 1 eta_max: 1 eta_init: 0.2 keep_init: 0.9 }",
                 "layers: 1 init_std: 1e-6 norm_eps: 1e-12");
  model->Forward(RandomTokens(2, 1), {.statistics = [&](const std::string& path, double value) {
                   seen[path] = value;
                 }});
  EXPECT_NEAR(seen.at("blocks.0.mixer.gates.eta.mean"), 0.2, 1e-4);
  EXPECT_NEAR(seen.at("blocks.0.mixer.gates.keep.mean"), 0.9, 1e-4);
}

TEST(SelfModifying, TellsHowItsBoxesFare) {
  std::map<std::string, double> seen;
  const auto model = SmallModel(Block("box_chunk: 4 chunk: 2"), "layers: 1");
  const NamedTensors state =
      model
          ->Forward(RandomTokens(1, 7), {.statistics = [&](const std::string& path,
                                                           double value) { seen[path] = value; }})
          .state;
  for (const char* box : {"k", "v", "memory", "eta", "keep"})
    EXPECT_GT(seen.at(std::string("blocks.0.mixer.norm.") + box), 0.0) << box;
  double square = 0.0;
  for (const char* name : {"memory.0", "memory.1"}) {
    const Tensor w = state.at(std::string("blocks.0.mixer.") + name);
    const Tensor of_head = Sqrt(Sum(Mul(w, w), {1, 2}));
    square += Sum(Mul(of_head, of_head)).Item();
  }
  EXPECT_LE(seen.at("blocks.0.mixer.norm.memory"), std::sqrt(square));
  EXPECT_GT(seen.at("blocks.0.mixer.norm.memory"), std::sqrt(square) / 2.0);
}

// Without steps, forgetting and momentum a memory is the network it started as.
TEST(SelfModifying, WithoutStepsTokensDoNotSeeEachOther) {
  const auto model = SmallModel(Block("conv: 0 eta_max: 1e-12 weight_decay: false"), "layers: 1");
  const Tensor tokens = RandomTokens(1, 9);
  const Tensor all = model->Forward(tokens).logits;
  for (int64_t t = 0; t < 9; ++t) {
    const Tensor alone = model->Forward(Slice(tokens, 1, t, t + 1)).logits;
    EXPECT_LT(MaxDifference(alone, Slice(all, 1, t, t + 1)), 1e-9);
  }
}

}  // namespace
}  // namespace palimpsest
