#include "train/override.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "train/config.pb.h"
#include "train/proto_text.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TrainConfig Delta() {
  TrainConfig config;
  EXPECT_TRUE(ParseTextProto("model { width: 32 block { memory { rule { name: 'delta' params { "
                             "key: 'x' value: 1 } } } } }",
                             "delta", &config)
                  .ok());
  return config;
}

TEST(ApplyOverride, SetsFieldsOfEveryKind) {
  TrainConfig config = Delta();
  for (const char* text :
       {"model.width=64", "data.bytes.path=a=b.txt", "data.bytes.split=0.5", "model.norm=LAYER",
        "model.tie_embeddings=true", "model.block.0.memory.heads=2",
        "model.block.0.memory.rule.params.x=2", "model.block.0.memory.rule.params.hidden=64",
        "model.block.0.mlp={kind: NONE}"}) {
    EXPECT_TRUE(ApplyOverride(text, &config).ok())
        << text << ": " << Message(ApplyOverride(text, &config));
  }
  EXPECT_EQ(config.model().width(), 64);
  EXPECT_EQ(config.data().bytes().path(), "a=b.txt");
  EXPECT_EQ(config.data().bytes().split(), 0.5);
  EXPECT_EQ(config.model().norm(), ModelConfig::LAYER);
  EXPECT_TRUE(config.model().tie_embeddings());
  const ModelConfig::Block& block = config.model().block(0);
  EXPECT_EQ(block.memory().heads(), 2);
  EXPECT_EQ(block.memory().rule().params().size(), 2u);
  EXPECT_EQ(block.memory().rule().params().at("x"), 2);
  EXPECT_EQ(block.memory().rule().params().at("hidden"), 64);
  EXPECT_EQ(block.mlp().kind(), ModelConfig::Mlp::NONE);
}

TEST(ApplyOverride, ReplacesAnElementAndAWholeList) {
  TrainConfig config = Delta();
  ASSERT_TRUE(ApplyOverride("model.block.0={attention {heads: 8}}", &config).ok());
  ASSERT_EQ(config.model().block_size(), 1);
  EXPECT_EQ(config.model().block(0).attention().heads(), 8);
  EXPECT_FALSE(config.model().block(0).has_memory());
}

struct BadOverride {
  const char *text, *error;
};

class BadOverrideTest : public testing::TestWithParam<BadOverride> {};

TEST_P(BadOverrideTest, SaysWhatAndWhy) {
  TrainConfig config = Delta();
  const absl::Status status = ApplyOverride(GetParam().text, &config);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status), AllOf(HasSubstr(GetParam().text), HasSubstr(GetParam().error)));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadOverrideTest,
    testing::Values(
        BadOverride{"model.widht=3", "ModelConfig has no field 'widht'; did you mean 'width'?"},
        BadOverride{"modle.width=3", "did you mean 'model'?"},
        BadOverride{"steps", "path.to.field=value"}, BadOverride{"=3", "path.to.field=value"},
        BadOverride{"steps=many", "steps must be a 64-bit integer"},
        BadOverride{"steps.more=1", "steps has no fields: it is a 64-bit integer"},
        BadOverride{"model=3", "model is a message"},
        BadOverride{"model.block.1.memory.heads=2",
                    "block has 1 elements, and none with index '1'"},
        BadOverride{"model.block.-1.memory.heads=2", "none with index '-1'"},
        BadOverride{"model.block.0.memory.rule.params=2", "name an entry"},
        BadOverride{"model.block.0.memory.rule.params.x=two", "value must be a number"},
        BadOverride{"seed=-1", "seed must be a 64-bit integer that is not negative"},
        BadOverride{"model.tie_embeddings=maybe", "must be true or false"},
        BadOverride{"model.block=", "found the end"}, BadOverride{"model={width: ", "got: the end"},
        BadOverride{"model.norm=BATCH", "RMS, LAYER"}));

}  // namespace
}  // namespace palimpsest
