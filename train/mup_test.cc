#include "train/mup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>

#include "optim/settings.h"
#include "train/proto_text.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;

NamedTensors SomeParams() {
  const auto of = [](const Shape& shape) { return Tensor::Full(shape, 0.0, DType::kF32); };
  return {{"embedding.weight", of({9, 8})},        {"head.weight", of({9, 8})},
          {"blocks.0.mixer.q.weight", of({8, 8})}, {"blocks.0.mixer.q_conv.weight", of({8, 4})},
          {"blocks.0.mlp.up.weight", of({32, 8})}, {"norm.weight", of({8})}};
}

using AllSettings = std::map<std::string, Settings>;

// Of a model four times as wide as its base.
absl::StatusOr<AllSettings> TryScaled(const std::string& optimizer, int64_t base) {
  OptimizerConfig config;
  EXPECT_TRUE(MergeTextProto(optimizer, &config).ok());
  ModelConfig model;
  model.set_width(8);
  model.set_mup_base_width(base);
  const absl::StatusOr<OptimizerConfig> scaled = MupOptimizer(config, model, SomeParams());
  if (!scaled.ok()) return scaled.status();
  return ResolveSettings(*scaled, SomeParams());
}

AllSettings Scaled(const std::string& optimizer, int64_t base = 2) {
  absl::StatusOr<AllSettings> settings = TryScaled(optimizer, base);
  EXPECT_TRUE(settings.ok()) << settings.status();
  return settings.ok() ? *std::move(settings) : AllSettings();
}

std::string Mistake(const std::string& optimizer) {
  return std::string(TryScaled(optimizer, 2).status().message());
}

TEST(MupOptimizer, OfAdamOnlyHiddenMatricesFollowTheWidth) {
  for (const auto& [path, s] : Scaled("name: 'adamw' lr: 0.5 weight_decay: 0.1")) {
    const bool hidden = path == "blocks.0.mixer.q.weight" || path == "blocks.0.mlp.up.weight";
    EXPECT_DOUBLE_EQ(s.lr_factor, hidden ? 0.25 : 1) << path;
    EXPECT_DOUBLE_EQ(s.hypers.at("lr"), 0.5);
    // lr times decay is the base's; a norm has none.
    const double decay = path == "norm.weight" ? 0 : hidden ? 0.4 : 0.1;
    EXPECT_DOUBLE_EQ(s.hypers.at("weight_decay"), decay) << path;
  }
}

TEST(MupOptimizer, OfSgdAllElseDoes) {
  for (const auto& [path, s] : Scaled("name: 'sgd' weight_decay: 0.1")) {
    const bool hidden = path == "blocks.0.mixer.q.weight" || path == "blocks.0.mlp.up.weight";
    EXPECT_DOUBLE_EQ(s.lr_factor, hidden ? 1 : 4) << path;
    EXPECT_DOUBLE_EQ(s.hypers.at("weight_decay"), path == "norm.weight" ? 0 : 0.1) << path;
  }
}

TEST(MupOptimizer, OfMuonItDependsOnTheScaleOfItsSteps) {
  for (const auto& [scale, want] :
       {std::pair<std::string, double>{"ORIGINAL", 1}, {"SPECTRAL", 1}, {"MATCH_RMS_ADAMW", 0.5}}) {
    const auto settings = Scaled("name: 'muon' shape_scale: " + scale);
    EXPECT_DOUBLE_EQ(settings.at("blocks.0.mlp.up.weight").lr_factor, want) << scale;
    EXPECT_DOUBLE_EQ(settings.at("embedding.weight").lr_factor, 1);
    EXPECT_EQ(settings.at("embedding.weight").optimizer, "adamw");
  }
}

TEST(MupOptimizer, OfDeltaAdamWItDependsOnWhoseSquaresAreAveraged) {
  for (const auto& [moment, want] :
       {std::pair<std::string, double>{"GRADIENT", 0.5}, {"NORMALIZED_KEYS", 0.25}}) {
    const auto settings = Scaled("name: 'delta_adamw' second_moment: " + moment);
    EXPECT_DOUBLE_EQ(settings.at("blocks.0.mixer.q.weight").lr_factor, want) << moment;
    EXPECT_DOUBLE_EQ(settings.at("head.weight").lr_factor, 1) << moment;
  }
}

TEST(MupOptimizer, GroupsKeepTheirMembers) {
  const auto settings = Scaled(
      "name: 'adamw' group { match: '*.q.weight' lr_factor: 3 set { beta1: 0.5 } } "
      "group { match: 'blocks.*' frozen: true } group { match: 'head.*' lr_factor: 2 }");
  EXPECT_DOUBLE_EQ(settings.at("blocks.0.mixer.q.weight").lr_factor, 0.75);
  EXPECT_DOUBLE_EQ(settings.at("blocks.0.mixer.q.weight").hypers.at("beta1"), 0.5);
  EXPECT_TRUE(settings.at("blocks.0.mlp.up.weight").frozen);
  EXPECT_TRUE(settings.at("blocks.0.mixer.q_conv.weight").frozen);
  EXPECT_DOUBLE_EQ(settings.at("head.weight").lr_factor, 2);
  EXPECT_DOUBLE_EQ(settings.at("norm.weight").lr_factor, 1);
}

TEST(MupOptimizer, MistakesAreThoseOfTheConfig) {
  EXPECT_THAT(Mistake("group { match: 'nothing' }"),
              HasSubstr("optimizer.group.0.match 'nothing' matches no parameter"));
  EXPECT_THAT(Mistake("lr: -1"), HasSubstr("optimizer.lr is -1"));
}

TEST(MupOptimizer, WithoutABaseNothingChanges) {
  for (const auto& [path, s] : Scaled("name: 'adamw' group { match: 'head.*' lr_factor: 2 }", 0))
    EXPECT_DOUBLE_EQ(s.lr_factor, path == "head.weight" ? 2 : 1);
}

}  // namespace
}  // namespace palimpsest
