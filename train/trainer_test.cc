#include "train/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "core/parallel.h"
#include "optim/optimizers.h"
#include "train/proto_text.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kSmall[] = R"(
  model { width: 16 block { %s } }
  data { eval_examples: 10 mqar { vocab: 32 pairs: 2 } }
  batch: 8 length: 16 steps: 20
  optimizer { name: 'adamw' lr: 0.01 clip_norm: 1 }
)";

TrainConfig Config(const std::string& mixer = "attention { heads: 2 }") {
  std::string text = kSmall;
  text.replace(text.find("%s"), 2, mixer);
  TrainConfig config;
  const absl::Status status = ParseTextProto(text, "test", &config);
  EXPECT_TRUE(status.ok()) << std::string(status.message());
  return config;
}

std::unique_ptr<Trainer> Make(const TrainConfig& config) {
  absl::StatusOr<std::unique_ptr<Trainer>> trainer = Trainer::Create(config);
  PALIMPSEST_CHECK(trainer.ok()) << std::string(trainer.status().message());
  return *std::move(trainer);
}

std::vector<double> Losses(Trainer* trainer, int steps) {
  std::vector<double> losses;
  for (int i = 0; i < steps; ++i) {
    const absl::StatusOr<StepResult> result = trainer->Step();
    PALIMPSEST_CHECK(result.ok()) << std::string(result.status().message());
    losses.push_back(result->loss());
  }
  return losses;
}

void ExpectSameBits(const NamedTensors& a, const NamedTensors& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [path, x] : a) EXPECT_EQ(x.ToVector(), b.at(path).ToVector()) << path;
}

std::string Error(const absl::Status& status) { return std::string(status.message()); }

// Plain gradient descent takes them as they are.
TEST(Trainer, ShowsTheGradientsThatTheUpdateIsMadeOf) {
  TrainConfig config = Config();
  config.clear_optimizer();
  config.mutable_optimizer()->set_name("sgd");
  config.mutable_optimizer()->set_lr(0.5);
  config.set_grad_accumulation(2);
  const auto trainer = Make(config), other = Make(config);
  NamedTensors gradients;
  const NamedTensors before = trainer->params();
  ASSERT_TRUE(trainer->Step(false, [&](const NamedTensors& g) { gradients = g; }).ok());
  ASSERT_EQ(gradients.size(), before.size());
  for (const auto& [path, after] : trainer->params()) {
    const std::vector<double> old = before.at(path).ToVector(), now = after.ToVector(),
                              g = gradients.at(path).ToVector();
    for (size_t i = 0; i < old.size(); ++i) EXPECT_NEAR(now[i], old[i] - 0.5 * g[i], 1e-6) << path;
  }
  // Whoever looks changes nothing.
  ASSERT_TRUE(other->Step().ok());
  ExpectSameBits(trainer->params(), other->params());
}

// Each optimizer, with an average of the weights, clipping and gradients in parts.
class AnyOptimizerTest : public testing::TestWithParam<std::string> {
 protected:
  static TrainConfig Optimizing() {
    TrainConfig config = Config();
    config.mutable_optimizer()->set_name(GetParam());
    config.mutable_optimizer()->set_average_keep(0.5);
    config.set_grad_accumulation(2);
    return config;
  }
};

TEST_P(AnyOptimizerTest, ResumesFromACheckpointWithTheSameBits) {
  const auto whole = Make(Optimizing()), begun = Make(Optimizing()), resumed = Make(Optimizing());
  const std::vector<double> losses = Losses(whole.get(), 9);
  Losses(begun.get(), 4);
  absl::StatusOr<Checkpoint> checkpoint = begun->MakeCheckpoint("test");
  ASSERT_TRUE(checkpoint.ok()) << Error(checkpoint.status());
  ASSERT_TRUE(resumed->Restore("checkpoint", *std::move(checkpoint)).ok());
  EXPECT_EQ(Losses(resumed.get(), 5), std::vector<double>(losses.begin() + 4, losses.end()));
  ExpectSameBits(resumed->params(), whole->params());
  EXPECT_EQ(resumed->Evaluate(1).loss(), whole->Evaluate(1).loss());
}

INSTANTIATE_TEST_SUITE_P(All, AnyOptimizerTest, testing::ValuesIn([] {
                           std::vector<std::string> names;
                           for (const auto& [name, spec] : OptimizerSpecs()) names.push_back(name);
                           return names;
                         }()),
                         [](const auto& info) { return info.param; });

// Evaluations are of the average of the weights.
TEST(Trainer, EvaluatesTheAverageOfTheWeights) {
  TrainConfig config = Config();
  config.mutable_optimizer()->set_average_keep(0.999);
  const auto averaging = Make(config), plain = Make(Config());
  const double untrained = plain->Evaluate().loss();
  Losses(averaging.get(), 20), Losses(plain.get(), 20);
  ExpectSameBits(averaging->params(), plain->params());
  EXPECT_NEAR(averaging->Evaluate().loss(), untrained, 0.02);
  EXPECT_GT(std::abs(plain->Evaluate().loss() - untrained), 0.1);
}

class AnyMixerTest : public testing::TestWithParam<const char*> {};

TEST_P(AnyMixerTest, LearnsAndIsTheSameForAnyThreadCount) {
  const auto one = Make(Config(GetParam())), two = Make(Config(GetParam()));
  const int threads = NumThreads();
  SetNumThreads(1);
  const std::vector<double> losses = Losses(one.get(), 20);
  SetNumThreads(2);
  EXPECT_EQ(losses, Losses(two.get(), 20));
  SetNumThreads(threads);
  ExpectSameBits(one->params(), two->params());
  EXPECT_LT(losses.back(), losses.front());
}

TEST_P(AnyMixerTest, TenStepsRestoredAndTenMoreAreTwenty) {
  const auto whole = Make(Config(GetParam()));
  const std::vector<double> losses = Losses(whole.get(), 20);
  Checkpoint checkpoint;
  {
    const auto first = Make(Config(GetParam()));
    Losses(first.get(), 10);
    checkpoint = *first->MakeCheckpoint("test");
  }
  EXPECT_EQ(checkpoint.step, 10);
  const auto second = Make(Config(GetParam()));
  ASSERT_TRUE(second->Restore("test", checkpoint).ok());
  EXPECT_EQ(Losses(second.get(), 10), std::vector<double>(losses.begin() + 10, losses.end()));
  ExpectSameBits(whole->params(), second->params());
}

TEST_P(AnyMixerTest, PartsOfABatchHaveItsGradient) {
  TrainConfig config = Config(GetParam());
  config.set_dtype("f64");
  const auto whole = Make(config);
  config.set_grad_accumulation(4);
  const auto parts = Make(config);
  for (int i = 0; i < 3; ++i) {
    const StepResult a = *whole->Step(), b = *parts->Step();
    EXPECT_NEAR(a.loss(), b.loss(), 1e-9);
    EXPECT_NEAR(a.grad_norm(), b.grad_norm(), 1e-8);
  }
}

INSTANTIATE_TEST_SUITE_P(All, AnyMixerTest,
                         testing::Values("attention { heads: 2 }",
                                         "memory { rule { name: 'gated_delta' } heads: 2 }",
                                         "memory { rule { name: 'titans_mlp' } heads: 2 }"));

TEST(Trainer, RunsInBf16) {
  TrainConfig config = Config();
  config.set_dtype("bf16");
  const auto trainer = Make(config);
  const std::vector<double> losses = Losses(trainer.get(), 20);
  EXPECT_LT(losses.back(), losses.front());
}

TEST(Trainer, FillsInWhatTheConfigLeavesOpen) {
  TrainConfig config = Config();
  config.mutable_optimizer()->mutable_schedule()->set_kind(OptimizerConfig::Schedule::COSINE);
  const auto trainer = Make(config);
  EXPECT_EQ(trainer->config().model().vocab_size(), 32);
  EXPECT_EQ(trainer->config().optimizer().schedule().total_steps(), 20);
}

// The evaluation in parts of a batch, of all ten examples, two of them in the last part.
TEST(Trainer, EvaluatesEachExampleOnce) {
  const auto trainer = Make(Config());
  const Score all = trainer->Evaluate();
  EXPECT_EQ(all.examples(), 10);
  EXPECT_EQ(all.labels(), 20);
  EXPECT_EQ(trainer->Evaluate(1).examples(), 8);
}

TEST(Trainer, ALossThatIsNotFiniteIsTracedToItsOpAndNothingIsUpdated) {
  const auto trainer = Make(Config());
  Losses(trainer.get(), 2);
  Checkpoint checkpoint = *trainer->MakeCheckpoint("test");
  Tensor& gain = checkpoint.params.at("norm.weight");
  gain = Tensor::Full(gain.shape(), 3e38, DType::kF32);
  ASSERT_TRUE(trainer->Restore("test", checkpoint).ok());
  const absl::StatusOr<StepResult> result = trainer->Step();
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(Error(result.status()),
              AllOf(HasSubstr("step 3"), HasSubstr("began where"), HasSubstr("f32 [")));
  ExpectSameBits(trainer->params(), checkpoint.params);
}

TEST(Trainer, AParameterThatIsNotFiniteIsNamedAndNotSaved) {
  const auto trainer = Make(Config());
  Checkpoint checkpoint = *trainer->MakeCheckpoint("test");
  Tensor& gain = checkpoint.params.at("norm.weight");
  gain = Tensor::Full(gain.shape(), 1.0 / 0.0, DType::kF32);
  ASSERT_TRUE(trainer->Restore("test", checkpoint).ok());
  EXPECT_THAT(Error(trainer->Step().status()), HasSubstr("parameter norm.weight f32 [16]"));
  EXPECT_THAT(Error(trainer->MakeCheckpoint("test").status()), HasSubstr("norm.weight"));
}

TEST(Trainer, ACheckpointOfAnotherModelIsRefused) {
  const auto small = Make(Config());
  TrainConfig config = Config();
  config.mutable_model()->set_width(32);
  const auto wide = Make(config);
  const absl::Status status = wide->Restore("a.safetensors", *small->MakeCheckpoint("test"));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Error(status), AllOf(HasSubstr("a.safetensors"), HasSubstr("blocks.0.mixer.k.weight"),
                                   HasSubstr("[16,16]"), HasSubstr("[32,32]")));
}

TEST(Trainer, ModelAndDataMustFit) {
  TrainConfig config = Config();
  config.mutable_model()->set_vocab_size(16);
  EXPECT_THAT(Error(Trainer::Create(config).status()),
              AllOf(HasSubstr("vocab_size is 16"), HasSubstr("32")));
  config = Config();
  config.mutable_model()->set_learned_positions(8);
  EXPECT_THAT(Error(Trainer::Create(config).status()), HasSubstr("learned_positions is 8"));
  config = Config();
  config.clear_data();
  EXPECT_THAT(Error(Trainer::Create(config).status()), HasSubstr("no data"));
}

}  // namespace
}  // namespace palimpsest
