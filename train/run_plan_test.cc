#include "train/run_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/allocator.h"
#include "train/config_lengths.h"
#include "train/proto_text.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TrainConfig Config(const std::string& model, const std::string& more = "") {
  TrainConfig config;
  const absl::Status status = ParseTextProto(
      "data { eval_examples: 4 mqar { vocab: 16 pairs: 2 } } batch: 4 length: 12 steps: 20 model "
      "{ " +
          model + " } " + more,
      "test", &config);
  EXPECT_TRUE(status.ok()) << std::string(status.message());
  return config;
}

std::string Error(const std::string& model, const std::string& more = "") {
  return std::string(PlanRun(Config(model, more), nullptr, CheckMemory).status().message());
}

TEST(PlanRun, CompletesTheConfigWithoutMemoryForParameters) {
  Allocator::Of(Device::kCpu).ResetPeak();
  const auto plan = PlanRun(Config("width: 1024 layers: 8 block { attention {} }",
                                   "optimizer { schedule { kind: COSINE } }"),
                            nullptr, CheckMemory);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->config.model().vocab_size(), 16);
  EXPECT_EQ(plan->config.optimizer().schedule().total_steps(), 20);
  EXPECT_EQ(plan->need.parameters, 4.0 * static_cast<double>(NumParams(*plan->model)));
  // AdamW: two numbers a parameter.
  EXPECT_EQ(plan->need.optimizer, 2 * plan->need.parameters);
  EXPECT_EQ(plan->need.logits, 2.0 * 4 * 4 * 12 * 16);
  EXPECT_GT(plan->need.parameters, 3e8);
  EXPECT_LT(Allocator::Of(Device::kCpu).stats().peak_bytes, 1e8);
}

TEST(PlanRun, RefusesWhatNoMachineHolds) {
  EXPECT_THAT(
      Error("width: 1000000 layers: 12 block { attention {} }"),
      AllOf(HasSubstr("for parameters ("), HasSubstr("this machine has"),
            HasSubstr("model.width 1000000"), HasSubstr("blocks.mlp"), HasSubstr("model.layers")));
  EXPECT_THAT(Error("width: 8 vocab_size: 100000000000 block { attention { heads: 2 } }"),
              HasSubstr("vocab_size"));
  EXPECT_THAT(Error("width: 8 learned_positions: 268435456 block { attention { heads: 2 } }",
                    "memory_limit_mb: 1000"),
              AllOf(HasSubstr("memory_limit_mb is 0.9 GiB"), HasSubstr("model.learned_positions")));
  TrainConfig wide = Config("width: 8 block { attention { heads: 2 } }");
  wide.set_batch(100000000);
  EXPECT_THAT(std::string(PlanRun(wide, nullptr, CheckMemory).status().message()),
              AllOf(HasSubstr("logits"), HasSubstr("batch 100000000"), HasSubstr("length 12")));
}

TEST(PlanRun, RefusesTapsThatNeverLearn) {
  const std::string at_most = ": 13 taps reach past the first of length 12 tokens";
  EXPECT_EQ(Error("width: 8 block { attention { heads: 2 conv: 12 } }"), "");
  EXPECT_THAT(Error("width: 8 block { attention { heads: 2 conv: 13 } }"),
              HasSubstr("model.block.0.attention.conv" + at_most));
  EXPECT_THAT(Error("width: 8 block {} block { titans { segment: 4 attention { heads: 2 } memory { "
                    "heads: 2 conv: 13 } } }"),
              HasSubstr("model.block.1.titans.memory.conv" + at_most));
  EXPECT_THAT(Error("width: 8 block { self_modifying { heads: 2 conv: 13 } }"),
              HasSubstr("model.block.0.self_modifying.conv" + at_most));
  const std::string tc = " } block { attention { heads: 2 } residual { compressor: ";
  EXPECT_THAT(Error("width: 8 residual { channels: 2 conv: 13" + tc + "TC } }"),
              HasSubstr("model.block.0.residual.conv" + at_most));
  EXPECT_EQ(Error("width: 8 residual { channels: 2 conv: 13" + tc + "CC } }"), "");
}

TEST(PlanRun, RefusesLevelsThatNeverFire) {
  EXPECT_THAT(Error("width: 8 block { cms { level { period: 12 } } }"),
              HasSubstr("model.block.0.cms.level.0.period: 12 leaves no token"));
}

TEST(LengthNotes, SayWhatHoldsAllOfASequence) {
  const auto notes = [](const std::string& model, const std::string& more = "") {
    const auto plan = PlanRun(Config(model, more), nullptr, CheckMemory);
    EXPECT_TRUE(plan.ok()) << plan.status();
    return LengthNotes(plan->config, plan->model->config(), 12);
  };
  EXPECT_THAT(notes("width: 8 block { attention { heads: 2 window: 12 } }"),
              ElementsAre("model.block.0.attention.window 12 spans whole sequences (12)"));
  EXPECT_THAT(notes("width: 8 block { memory { heads: 2 rule { name: 'delta' } } }"), IsEmpty());
  EXPECT_THAT(notes("width: 8 block { memory { heads: 2 rule { name: 'titans_mlp' } } }"),
              ElementsAre(HasSubstr("model.block.0.memory.chunk 16")));
  EXPECT_THAT(notes("width: 8 block { attention { heads: 2 window: 11 } }",
                    "optimizer { schedule { warmup_steps: 19 } }"),
              IsEmpty());
  EXPECT_THAT(
      notes("width: 8 block {}", "optimizer { schedule { kind: COSINE warmup_steps: 20 } }"),
      ElementsAre(HasSubstr("warmup_steps 20 is not over at the end, step 20")));
}

}  // namespace
}  // namespace palimpsest
