#include "train/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "train/proto_text.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Write(const std::string& name, const std::string& text) {
  const std::string path = testing::TempDir() + "/config_" + name;
  std::ofstream(path) << text;
  return path;
}

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST(LoadConfig, OverridesWinOverTheFileOverItsBase) {
  Write("base", "steps: 10 batch: 4 model { width: 32 }");
  const std::string path = Write("top", "base: 'config_base' steps: 20 model { layers: 2 }");
  const auto config = LoadConfig(path, {"batch=8"});
  ASSERT_TRUE(config.ok()) << Message(config.status());
  EXPECT_EQ(config->steps(), 20);
  EXPECT_EQ(config->batch(), 8);
  EXPECT_EQ(config->model().width(), 32);
  EXPECT_EQ(config->model().layers(), 2);
  EXPECT_EQ(config->base_size(), 0);
}

TEST(LoadConfig, LaterBasesWinAndSetChangesWhatIsThere) {
  Write("model", "steps: 10 batch: 4 model { block { attention { heads: 2 } } }");
  Write("size", "batch: 2 model { width: 64 }");
  const std::string path = Write("row",
                                 "base: 'config_model' base: 'config_size' steps: 3 "
                                 "set: 'model.block.0.attention.conv=3' set: 'steps=4'");
  const auto config = LoadConfig(path, {});
  ASSERT_TRUE(config.ok()) << Message(config.status());
  EXPECT_EQ(config->batch(), 2);
  EXPECT_EQ(config->steps(), 4);
  EXPECT_EQ(config->model().width(), 64);
  ASSERT_EQ(config->model().block_size(), 1);
  EXPECT_EQ(config->model().block(0).attention().heads(), 2);
  EXPECT_EQ(config->model().block(0).attention().conv(), 3);
  EXPECT_EQ(config->base_size() + config->set_size(), 0);
  const std::string wrong = Write("wrong", "base: 'config_row' set: 'model.widht=3'");
  EXPECT_THAT(Message(LoadConfig(wrong, {}).status()),
              AllOf(HasSubstr("config_wrong: set: "), HasSubstr("widht")));
}

TEST(LoadConfig, SeveralFilesAreMergedInTurn) {
  const std::string model = Write("several_model", "steps: 10 batch: 4"),
                    size = Write("several_size", "steps: 20 model { width: 64 }");
  const auto config = LoadConfig(std::vector<std::string>{model, size}, {"batch=8"});
  ASSERT_TRUE(config.ok()) << Message(config.status());
  EXPECT_EQ(config->steps(), 20);
  EXPECT_EQ(config->batch(), 8);
  EXPECT_EQ(config->model().width(), 64);
}

TEST(LoadConfig, TheResolvedTextGivesTheSameConfig) {
  const auto config = LoadConfig(Write("some", "steps: 10 model { block { memory {} } }"), {});
  ASSERT_TRUE(config.ok());
  const std::string text = ConfigText(*config);
  EXPECT_THAT(text, HasSubstr("checkpoint_every: 500"));
  const auto again = ParseConfigText(text, "again");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(ConfigText(*again), text);
}

TEST(LoadConfig, ErrorsSayWhere) {
  EXPECT_THAT(Message(LoadConfig("/nowhere/x", {}).status()), HasSubstr("cannot open /nowhere/x"));
  const std::string missing = Write("missing", "base: 'none'");
  EXPECT_THAT(Message(LoadConfig(missing, {}).status()),
              AllOf(HasSubstr("/none: No such file"), HasSubstr(missing)));
  const std::string loop = Write("loop", "base: 'config_loop'");
  EXPECT_THAT(Message(LoadConfig(loop, {}).status()), HasSubstr("config_loop is a base of itself"));
}

TEST(ValidateConfig, NamesTheValue) {
  TrainConfig config;
  EXPECT_TRUE(ValidateConfig(config).ok());
  config.set_batch(0);
  EXPECT_EQ(Message(ValidateConfig(config)), "batch is 0, must be at least 1");
  config.set_batch(int64_t{1} << 40);
  EXPECT_EQ(Message(ValidateConfig(config)), "batch is 1099511627776, must be at most 268435456");
  config.set_batch(6);
  config.set_grad_accumulation(4);
  EXPECT_THAT(Message(ValidateConfig(config)), HasSubstr("cannot be cut into 4"));
  config.set_grad_accumulation(3);
  config.set_dtype("f23");
  EXPECT_THAT(Message(ValidateConfig(config)), HasSubstr("did you mean 'f32'?"));
}

TEST(CheckSameRun, NamesWhatBearsOnResults) {
  TrainConfig before;
  TrainConfig after = before;
  after.set_steps(5);
  after.set_run_dir("elsewhere");
  after.set_threads(1);
  after.mutable_data()->mutable_bytes()->set_path("moved");
  EXPECT_TRUE(CheckSameRun(before, after).ok());
  before.mutable_model()->set_width(64);
  after.mutable_model()->set_width(32);
  after.set_seed(3);
  EXPECT_THAT(Message(CheckSameRun(before, after)),
              AllOf(HasSubstr("model.width (64 -> 32)"), HasSubstr("seed (0 -> 3)"),
                    Not(HasSubstr("steps")), Not(HasSubstr("\n"))));
}

// As the config of a run begun before `device` was known.
TEST(CheckSameRun, AFieldThatWasUnknownThenIsAtItsDefault) {
  const auto before = ParseConfigText("model { block { mlp {} } }", "before");
  TrainConfig after = *before;
  MakeDefaultsExplicit(&after);
  ASSERT_TRUE(after.has_device());
  EXPECT_TRUE(CheckSameRun(*before, after).ok()) << CheckSameRun(*before, after);
  EXPECT_TRUE(CheckSameRun(after, *before).ok());
  after.set_device(TrainConfig::CUDA);
  EXPECT_THAT(Message(CheckSameRun(*before, after)), HasSubstr("config: device (CPU -> CUDA); "));
}

TEST(ValidateConfig, Tf32IsForProductsOfF32OnCuda) {
  const std::string path = Write("tf32", "tf32: true");
  const auto message = [&](const std::vector<std::string>& overrides) {
    const auto config = LoadConfig(path, overrides);
    return config.ok() ? Message(ValidateConfig(*config)) : Message(config.status());
  };
  EXPECT_THAT(message({}), HasSubstr("tf32 is for device: CUDA; the CPU multiplies f32 as it is"));
  EXPECT_THAT(message({"device=CUDA", "dtype=f64"}), HasSubstr("and dtype is f64"));
  EXPECT_EQ(message({"device=CUDA"}), "");
  EXPECT_EQ(message({"tf32=false"}), "");
}

}  // namespace
}  // namespace palimpsest
