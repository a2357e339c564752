#include "train/proto_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "train/config.pb.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TrainConfig Delta() {
  TrainConfig config;
  EXPECT_TRUE(ParseTextProto("model { width: 32 block { memory { rule { name: 'delta' params { "
                             "key: 'x' value: 1 } } } } }",
                             "delta", &config)
                  .ok());
  return config;
}

TEST(ParseTextProto, AnUnknownFieldIsPlacedAndTheKnownOnesNamed) {
  TrainConfig config;
  const absl::Status status =
      ParseTextProto("steps: 3\nmodel {\n  widht: 4\n}", "a.textproto", &config);
  EXPECT_THAT(Message(status),
              AllOf(StartsWith("a.textproto:3:"), HasSubstr("ModelConfig has no field 'widht'"),
                    HasSubstr("did you mean 'width'?"), HasSubstr("layers")));
}

TEST(ParseTextProto, AnUnknownValueOfAnEnumNamesTheKnownOnes) {
  TrainConfig config;
  const absl::Status status = ParseTextProto("model { norm: LAYRE }", "a", &config);
  EXPECT_THAT(Message(status),
              AllOf(HasSubstr("'LAYRE'"), HasSubstr("did you mean 'LAYER'"), HasSubstr("RMS")));
}

TEST(ParseTextProto, GarbageIsPlaced) {
  TrainConfig config;
  EXPECT_THAT(Message(ParseTextProto(std::string("\x7f\x45LF\0\1", 6), "prog", &config)),
              StartsWith("prog:1:"));
  EXPECT_THAT(Message(ParseTextProto("steps: many", "a", &config)), StartsWith("a:1:8: steps: "));
  EXPECT_THAT(Message(ParseTextProto("batch: 1\nmodel { width :-0.5 }", "a", &config)),
              StartsWith("a:2:"));
  EXPECT_THAT(Message(ParseTextProto("seed: -1", "a", &config)), StartsWith("a:1:7: seed: "));
  EXPECT_EQ(Message(ParseTextProto("model {", "a", &config)),
            "a:1:8: Expected identifier, got: the end");
  EXPECT_THAT(
      Message(ParseTextProto(std::string(100000, 'a') + ": 1", "a", &config)),
      AllOf(HasSubstr("has no field 'aaa"), HasSubstr("aaa...'"), HasSubstr("Known: base")));
}

TEST(ParseTextProto, AFieldGivenTwiceIsAnError) {
  TrainConfig config;
  EXPECT_THAT(Message(ParseTextProto("steps: 1\nsteps: 2", "a", &config)),
              AllOf(StartsWith("a:2:"), HasSubstr("\"steps\"")));
}

TEST(FlattenProto, GivesThePathsOverridesUse) {
  const auto flat = FlattenProto(Delta());
  EXPECT_EQ(flat.at("model.width"), "32");
  EXPECT_EQ(flat.at("model.block.0.memory.rule.name"), "\"delta\"");
  EXPECT_EQ(flat.at("model.block.0.memory.rule.params.x"), "1");
  EXPECT_EQ(flat.size(), 3u);
}

TEST(MakeDefaultsExplicit, SpellsOutDefaultsAndKeepsValues) {
  TrainConfig config = Delta();
  config.set_steps(7);
  MakeDefaultsExplicit(&config);
  EXPECT_EQ(config.steps(), 7);
  EXPECT_TRUE(config.has_batch());
  EXPECT_EQ(config.batch(), TrainConfig().batch());
  EXPECT_TRUE(config.model().block(0).memory().has_heads());
  EXPECT_FALSE(config.has_data());
  EXPECT_FALSE(config.model().has_layers());
}

TEST(MakeDefaultsExplicit, LeavesOverridesOfTheirOwnKindAlone) {
  TrainConfig config;
  ASSERT_TRUE(
      ParseTextProto("optimizer {name: 'muon' group {match: '*' set {lr: 1}}}", "a", &config).ok());
  MakeDefaultsExplicit(&config);
  EXPECT_EQ(config.optimizer().name(), "muon");
  EXPECT_FALSE(config.optimizer().group(0).set().has_name());
  EXPECT_TRUE(config.optimizer().group(0).has_lr_factor());
}

}  // namespace
}  // namespace palimpsest
