// What training promises, for each row of the table of models.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/parallel.h"
#include "nn/model_rows.h"
#include "train/generate.h"
#include "train/proto_text.h"
#include "train/trainer.h"

namespace palimpsest {
namespace {

constexpr char kTraining[] = R"(
  data { eval_examples: 4 mqar { vocab: 10 pairs: 2 } }
  batch: 4 length: 8 steps: 20
  optimizer { name: 'adamw' lr: 0.01 clip_norm: 1 average_keep: 0.9 }
)";

class EveryModel : public testing::TestWithParam<ModelRow> {
 protected:
  static std::unique_ptr<Trainer> MakeTrainer() {
    TrainConfig config;
    absl::Status status = ParseTextProto(kTraining, "test", &config);
    status.Update(ParseTextProto(GetParam().config, "test", config.mutable_model()));
    config.mutable_model()->set_dropout(0.1);
    auto trainer = status.ok() ? Trainer::Create(config) : status;
    PALIMPSEST_CHECK(trainer.ok()) << trainer.status().ToString();
    return *std::move(trainer);
  }
};
INSTANTIATE_TEST_SUITE_P(Rows, EveryModel, testing::ValuesIn(ModelRows()),
                         [](const auto& info) { return info.param.name; });

double StepLoss(Trainer& trainer, bool with_statistics = false) {
  const absl::StatusOr<StepResult> step = trainer.Step(with_statistics);
  PALIMPSEST_CHECK(step.ok()) << step.status().ToString();
  return step->loss();
}

void ExpectSameBits(Trainer& a, Trainer& b) {
  const absl::StatusOr<Checkpoint> x = a.MakeCheckpoint("test"), y = b.MakeCheckpoint("test");
  ASSERT_TRUE(x.ok() && y.ok());
  ASSERT_EQ(x->params.size(), y->params.size());
  ASSERT_EQ(x->optimizer.size(), y->optimizer.size());
  for (const auto& [path, param] : x->params)
    EXPECT_EQ(param.ToVector(), y->params.at(path).ToVector()) << path;
  for (const auto& [path, tensor] : x->optimizer)
    EXPECT_EQ(tensor.ToVector(), y->optimizer.at(path).ToVector()) << path;
}

std::string Generated(Trainer& trainer) {
  std::string text;
  Generate(trainer.model(), "\1\2\3", {.tokens = 9}, [&](char c) {
    text.push_back(c);
    return true;
  });
  return text;
}

// Between its steps one of two is evaluated, asked for text and watched.
TEST_P(EveryModel, LookingAtItChangesNothing) {
  const auto trained = MakeTrainer(), looked_at = MakeTrainer();
  for (int step = 0; step < 3; ++step) {
    looked_at->Evaluate();
    Generated(*looked_at);
    EXPECT_EQ(StepLoss(*trained), StepLoss(*looked_at, /*with_statistics=*/true));
  }
  const double score = trained->Evaluate().loss();
  EXPECT_EQ(Generated(*trained), Generated(*trained));
  EXPECT_EQ(looked_at->Evaluate().loss(), score);
  ExpectSameBits(*trained, *looked_at);
}

TEST_P(EveryModel, TrainsToTheSameBitsForAnyThreadCount) {
  const auto one = MakeTrainer(), two = MakeTrainer();
  const int threads = NumThreads();
  for (int step = 0; step < 3; ++step) {
    SetNumThreads(1);
    const double loss = StepLoss(*one);
    SetNumThreads(2);
    EXPECT_EQ(loss, StepLoss(*two));
  }
  SetNumThreads(threads);
  ExpectSameBits(*one, *two);
}

TEST_P(EveryModel, GoesOnFromACheckpointToTheSameBits) {
  const auto whole = MakeTrainer(), begun = MakeTrainer(), resumed = MakeTrainer();
  for (int step = 0; step < 2; ++step) {
    StepLoss(*whole);
    StepLoss(*begun);
  }
  ASSERT_TRUE(resumed->Restore("test", *begun->MakeCheckpoint("test")).ok());
  for (int step = 0; step < 2; ++step) EXPECT_EQ(StepLoss(*whole), StepLoss(*resumed));
  ExpectSameBits(*whole, *resumed);
}

}  // namespace
}  // namespace palimpsest
