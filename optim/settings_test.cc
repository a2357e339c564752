#include "optim/settings.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "optim/testing.h"

namespace palimpsest {
namespace {

// A small model's parameters.
NamedTensors Model() {
  NamedTensors params;
  for (const char* name : {"embedding.weight", "head.weight", "blocks.0.mixer.q.weight",
                           "blocks.0.mixer.q_conv.weight", "blocks.1.mixer.q.weight"}) {
    params[name] = Tensor::Empty({4, 4}, DType::kF32);
  }
  for (const char* name : {"norm.weight", "blocks.0.mixer.beta.bias"})
    params[name] = Tensor::Empty({4}, DType::kF32);
  params["blocks.0.mixer.initial.0"] = Tensor::Empty({2, 4, 4}, DType::kF32);
  return params;
}

std::map<std::string, Settings> ResolveAll(const std::string& config) {
  const auto settings = ResolveSettings(ParseConfig(config), Model());
  PALIMPSEST_CHECK(settings.ok()) << settings.status();
  return *settings;
}

TEST(Glob, Matches) {
  for (const auto& [pattern, text] :
       std::vector<std::pair<std::string, std::string>>{{"*", ""},
                                                        {"*", "a.b"},
                                                        {"a.*", "a.b.c"},
                                                        {"*.bias", "a.b.bias"},
                                                        {"a.?.c", "a.b.c"},
                                                        {"*b*b*", "abcb"},
                                                        {"", ""},
                                                        {"*.0.*.weight", "blocks.0.mixer.q.weight"},
                                                        {"a**", "a"}}) {
    EXPECT_TRUE(GlobMatches(pattern, text)) << pattern << " " << text;
  }
  for (const auto& [pattern, text] :
       std::vector<std::pair<std::string, std::string>>{{"", "a"},
                                                        {"a", ""},
                                                        {"a.*", "b.c"},
                                                        {"*.bias", "a.biases"},
                                                        {"?", ""},
                                                        {"*b*b", "abc"},
                                                        {"a", "ab"}}) {
    EXPECT_FALSE(GlobMatches(pattern, text)) << pattern << " " << text;
  }
}

TEST(Settings, VectorsHaveNoDecay) {
  const auto s = ResolveAll("weight_decay: 0.1");
  EXPECT_EQ(s.at("norm.weight").hypers.at("weight_decay"), 0.0);
  EXPECT_EQ(s.at("blocks.0.mixer.beta.bias").hypers.at("weight_decay"), 0.0);
  EXPECT_EQ(s.at("embedding.weight").hypers.at("weight_decay"), 0.1);
  EXPECT_EQ(s.at("norm.weight").optimizer, "adamw");
  EXPECT_EQ(s.at("norm.weight").hypers.at("beta2"), 0.999);
}

TEST(Settings, MuonTrainsMatricesAndAdamWTheRest) {
  const auto s = ResolveAll(
      "name: 'muon' weight_decay: 0.1 auxiliary { lr: 0.004 } schedule { warmup_steps: 7 }");
  for (const char* path : {"blocks.0.mixer.q.weight", "blocks.1.mixer.q.weight"}) {
    EXPECT_EQ(s.at(path).optimizer, "muon") << path;
    EXPECT_EQ(s.at(path).hypers.at("lr"), 0.02);
    EXPECT_EQ(s.at(path).hypers.at("weight_decay"), 0.1);
  }
  for (const char* path :
       {"embedding.weight", "head.weight", "norm.weight", "blocks.0.mixer.q_conv.weight",
        "blocks.0.mixer.beta.bias", "blocks.0.mixer.initial.0"}) {
    EXPECT_EQ(s.at(path).optimizer, "adamw") << path;
    EXPECT_EQ(s.at(path).hypers.at("lr"), 0.004);
    EXPECT_EQ(s.at(path).hypers.at("beta2"), 0.95);
    EXPECT_EQ(s.at(path).hypers.at("weight_decay"), 0.0);
    EXPECT_EQ(s.at(path).schedule.warmup_steps(), 7);
  }
}

TEST(Settings, TheFirstGroupThatMatchesWins) {
  const auto s = ResolveAll(R"(
      group { match: "embedding.*" lr_factor: 0.5 }
      group { match: "*.weight" set { weight_decay: 0.3 beta1: 0.5 } }
      group { match: "*.bias" frozen: true })");
  EXPECT_EQ(s.at("embedding.weight").lr_factor, 0.5);
  EXPECT_EQ(s.at("embedding.weight").hypers.at("beta1"), 0.9);
  EXPECT_EQ(s.at("blocks.0.mixer.q.weight").hypers.at("beta1"), 0.5);
  // What a group says of decay holds for vectors too.
  EXPECT_EQ(s.at("norm.weight").hypers.at("weight_decay"), 0.3);
  EXPECT_TRUE(s.at("blocks.0.mixer.beta.bias").frozen);
}

TEST(Settings, AnotherOptimizerStartsFromItsOwnValues) {
  const auto s = ResolveAll(R"(
      name: "muon" lr: 0.5 momentum: 0.9 auxiliary { beta1: 0.7 } schedule { warmup_steps: 3 }
      group { match: "blocks.0.mixer.q.weight" set { name: "adamw" } }
      group { match: "blocks.1.*" set { name: "sgd" schedule { warmup_steps: 9 } } }
      group { match: "head.weight" set { name: "muon" nesterov: false } })");
  const Settings &adamw = s.at("blocks.0.mixer.q.weight"), &sgd = s.at("blocks.1.mixer.q.weight"),
                 &muon = s.at("head.weight");
  EXPECT_EQ(adamw.hypers.at("beta1"), 0.7);
  EXPECT_EQ(adamw.hypers.at("lr"), 3e-4);
  EXPECT_EQ(sgd.hypers.at("lr"), 0.01);
  EXPECT_EQ(sgd.hypers.at("momentum"), 0.0);
  EXPECT_EQ(sgd.schedule.warmup_steps(), 9);
  EXPECT_EQ(muon.hypers.at("lr"), 0.5);
  EXPECT_EQ(muon.hypers.at("momentum"), 0.9);
  EXPECT_EQ(muon.hypers.at("nesterov"), 0.0);
  EXPECT_EQ(muon.schedule.warmup_steps(), 3);
}

struct Bad {
  std::string config, message;
};

class BadConfigTest : public ::testing::TestWithParam<Bad> {};

TEST_P(BadConfigTest, NamesFieldAndValue) {
  const absl::Status status = ResolveSettings(ParseConfig(GetParam().config), Model()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), GetParam().message)) << status;
}

INSTANTIATE_TEST_SUITE_P(
    All, BadConfigTest,
    ::testing::Values(
        Bad{"name: 'adam'", "optimizer.name is 'adam'; there are chain, adamuon, adamw, am_adamw"},
        Bad{"lr: -1", "optimizer.lr is -1; it must be finite and at least 0"},
        Bad{"lr: nan", "optimizer.lr is nan"}, Bad{"lr: inf", "optimizer.lr is inf"},
        Bad{"beta1: 1", "optimizer.beta1 is 1; it must be in [0, 1)"},
        Bad{"beta2: -0.1", "optimizer.beta2 is -0.1"}, Bad{"eps: -1e-8", "optimizer.eps is -1e-08"},
        Bad{"weight_decay: -0.1", "optimizer.weight_decay is -0.1"},
        Bad{"clip_norm: -1", "optimizer.clip_norm is -1; it must be at least 0"},
        Bad{"momentum: 0.9",
            "optimizer.momentum is set, but adamw has no such value; it has lr, weight_decay, "
            "beta1"},
        Bad{"name: 'sgd' beta2: 0.9", "optimizer.beta2 is set, but sgd has no such value"},
        Bad{"name: 'sgd' dampening: 2 momentum: 0.5",
            "optimizer.dampening is 2; it must be in [0, 1]"},
        Bad{"name: 'sgd' nesterov: true",
            "optimizer: nesterov needs momentum above 0 and dampening 0"},
        Bad{"name: 'muon' newton_schulz_steps: 0",
            "optimizer.newton_schulz_steps is 0; it must be in [1, 100]"},
        Bad{"name: 'muon' auxiliary { lr: -2 }", "optimizer.auxiliary.lr is -2"},
        Bad{"name: 'muon' auxiliary { clip_norm: 1 }",
            "optimizer.auxiliary has a clip_norm, non_finite, average_keep, auxiliary or group"},
        Bad{"auxiliary { lr: 1 }",
            "optimizer.auxiliary is set, but adamw trains all parameters itself"},
        Bad{"schedule { kind: COSINE }", "optimizer.schedule.total_steps is 0"},
        Bad{"group { match: '*.gain' }",
            "optimizer.group.0.match '*.gain' matches no parameter; the first is blocks.0"},
        Bad{"group { match: '*' } group { match: '*.bias' }",
            "optimizer.group.1.match '*.bias' matches only parameters of the groups before it"},
        Bad{"group { frozen: true }", "optimizer.group.0.match is empty"},
        Bad{"group { match: '*' lr_factor: -1 }", "optimizer.group.0.lr_factor is -1"},
        Bad{"group { match: '*' set { lr: -1 } }", "optimizer.group.0.set.lr is -1"},
        Bad{"group { match: '*' set { name: 'lamb' } }", "optimizer.group.0.set.name is 'lamb'"},
        Bad{"group { match: '*' set { group { match: '*' } } }",
            "optimizer.group.0.set has a clip_norm, non_finite, average_keep, auxiliary or group"},
        Bad{"group { match: '*.bias' set { name: 'muon' } }",
            "'muon', which trains matrices; parameter blocks.0.mixer.beta.bias is f32 [4]"}));

}  // namespace
}  // namespace palimpsest
