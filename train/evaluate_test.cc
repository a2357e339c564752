#include "train/evaluate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "train/config.h"
#include "train/trainer.h"

namespace palimpsest {
namespace {

// A layer that recurs and one that attends.
constexpr char kModel[] = R"(
  model {
    width: 16
    block { memory { rule { name: "gated_delta" } heads: 2 } mlp {} }
    block { attention { heads: 2 } mlp {} }
  }
  optimizer { name: "adamw" lr: 0.01 }
)";

struct TaskRow {
  std::string name, data;
  int64_t length;
};

std::vector<TaskRow> TaskRows() {
  return {
      {"mqar",
       "mqar { vocab: 64 pairs: 2 eval { length: 16 pairs: 2 } eval { length: 32 pairs: 4 } }", 16},
      {"in_context_recall", "in_context_recall {} eval_length: [16, 31]", 16},
      {"noisy_recall", "noisy_recall {}", 24},
      {"fuzzy_recall", "fuzzy_recall {}", 24},
      {"selective_copying", "selective_copying { tokens: 3 }", 16},
      {"compression", "compression {}", 16},
      {"memorization", "memorization { vocab: 32 }", 12},
      {"parity", "parity {} min_length: 3 eval_length: [8, 20]", 12},
      {"parity_padded", "parity {} min_length: 3", 12},
      {"modular_arithmetic", "modular_arithmetic {} min_length: 2", 16},
      {"group_word", "group_word {} eval_length: [8, 16]", 8},
      {"formal_language", "formal_language {} min_length: 3 eval_length: [9, 21]", 9},
      {"needle", "needle { instructions: false }", 160},
      {"class_incremental", "class_incremental {} eval_length: [64, 90]", 64}};
}

class EvaluateTask : public testing::TestWithParam<TaskRow> {
 protected:
  EvaluateTask() {
    auto config =
        ParseConfigText(kModel + ("data { eval_examples: 7 " + GetParam().data + " }"), "config");
    config->set_length(GetParam().length);
    trainer_ = *Trainer::Create(*config);
  }
  std::unique_ptr<Trainer> trainer_;
};

TEST_P(EvaluateTask, IsTheSameBitsWhateverTheBatch) {
  const Score one = Evaluate(trainer_->model(), trainer_->data(), 1);
  EXPECT_EQ(one.examples(), trainer_->data().eval_examples());
  for (const int64_t batch : {2, 5, 64}) {
    const Score score = Evaluate(trainer_->model(), trainer_->data(), batch);
    EXPECT_EQ(score.loss(), one.loss());
    EXPECT_EQ(score.accuracy(), one.accuracy());
    EXPECT_EQ(score.sequence_accuracy(), one.sequence_accuracy());
    EXPECT_EQ(score.labels(), one.labels());
    ASSERT_EQ(score.slices().size(), one.slices().size());
    for (size_t i = 0; i < one.slices().size(); ++i) {
      EXPECT_EQ(score.slices()[i].tally.loss(), one.slices()[i].tally.loss());
      EXPECT_EQ(score.slices()[i].tally.accuracy(), one.slices()[i].tally.accuracy());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, EvaluateTask, testing::ValuesIn(TaskRows()),
                         [](const auto& row) { return row.param.name; });

// Padding at the end is nothing to a model that looks back only.
TEST(Evaluate, PaddingChangesNoLabel) {
  auto config = ParseConfigText(
      std::string(kModel) + "data { parity {} eval_length: [9, 23] eval_examples: 1 } dtype: 'f64'",
      "config");
  const auto trainer = *Trainer::Create(*config);
  const Examples alone = trainer->data().EvalBatch(0, 1), padded = trainer->data().EvalBatch(0, 2);
  ASSERT_EQ(alone.tokens.dim(1), 9);
  ASSERT_EQ(padded.tokens.dim(1), 23);
  Score a, b;
  const Examples first{padded.tokens.Rows(0, 1), padded.labels.Rows(0, 1)};
  a.Add(trainer->model().Forward(alone.tokens).logits, alone.labels);
  b.Add(trainer->model().Forward(first.tokens).logits, first.labels);
  EXPECT_EQ(a.labels(), 9);
  EXPECT_EQ(b.labels(), 9);
  EXPECT_NEAR(a.loss(), b.loss(), 1e-12);
  EXPECT_EQ(a.accuracy(), b.accuracy());
}

TEST(Evaluate, TheLongestExampleMustFitTheModel) {
  auto config = ParseConfigText(
      std::string(kModel) + "data { parity {} eval_length: 32 } length: 8", "config");
  config->mutable_model()->set_learned_positions(16);
  const auto trainer = Trainer::Create(*config);
  EXPECT_THAT(std::string(trainer.status().message()),
              testing::HasSubstr("(length or data.eval_length) is 32"));
}

// Some of the batches, of all lengths.
TEST(Evaluate, FewBatchesMeetEveryLength) {
  auto config = ParseConfigText(
      std::string(kModel) + "data { parity {} eval_length: [4, 8] eval_examples: 20 }", "config");
  const auto trainer = *Trainer::Create(*config);
  const Score score = Evaluate(trainer->model(), trainer->data(), 8, 2);
  EXPECT_EQ(score.examples(), 16);
  EXPECT_EQ(score.slices()[0].tally.examples(), 8);
  EXPECT_EQ(score.slices()[1].tally.examples(), 8);
}

}  // namespace
}  // namespace palimpsest
