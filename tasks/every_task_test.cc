// What holds for each task there is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "ops/loss.h"
#include "tasks/testing.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAreArray;

struct TaskRow {
  std::string name, data;
  int64_t length;
};

std::string TextFile() {
  const std::string path = testing::TempDir() + "/every_task.txt";
  std::ofstream(path) << std::string(40, 'a') + "bcdefghijklmnopqrstuvwxyz. And so it went on.\n";
  return path;
}

std::vector<TaskRow> TaskRows() {
  return {
      {"bytes", "bytes { path: '" + TextFile() + "' split: 0.7 }", 8},
      {"mqar", "mqar { vocab: 64 pairs: 2 }", 16},
      {"mqar_segments",
       "mqar { vocab: 64 eval { length: 16 pairs: 2 } eval { length: 32 pairs: 4 } "
       "train { length: 8 pairs: 1 } train { length: 16 pairs: 2 } }",
       16},
      {"in_context_recall", "in_context_recall {} eval_length: [16, 31]", 16},
      {"noisy_recall", "noisy_recall {}", 24},
      {"fuzzy_recall", "fuzzy_recall {}", 24},
      {"selective_copying", "selective_copying { tokens: 3 }", 16},
      {"compression", "compression {}", 16},
      {"memorization", "memorization { vocab: 32 }", 12},
      {"parity", "parity {} min_length: 3 eval_length: [8, 20]", 12},
      {"parity_last", "parity { labels: LAST } min_length: 3", 12},
      {"modular_arithmetic", "modular_arithmetic {} min_length: 2", 16},
      {"modular_brackets", "modular_arithmetic { brackets: true }", 20},
      {"group_word", "group_word {} eval_length: [8, 16]", 8},
      {"formal_language", "formal_language {} min_length: 3 eval_length: [9, 21]", 9},
      {"needle", "needle { instructions: false }", 160},
      {"class_incremental", "class_incremental {} eval_length: [64, 90]", 64},
  };
}

class EveryTask : public testing::TestWithParam<TaskRow> {
 protected:
  EveryTask() : source_(Make(0)) {}
  static std::unique_ptr<DataSource> Make(uint64_t seed) {
    return TaskSource(GetParam().data + " eval_examples: 6", GetParam().length, seed);
  }
  std::unique_ptr<DataSource> source_;
};

TEST_P(EveryTask, TokensAndLabelsAreOfTheVocabulary) {
  for (const Examples& batch :
       {source_->TrainBatch(3, 20), source_->EvalBatch(0, source_->eval_examples())}) {
    EXPECT_LE(batch.tokens.dim(1), source_->longest());
    const auto tokens = Ints(batch.tokens), labels = Ints(batch.labels);
    for (const int32_t token : tokens) ASSERT_TRUE(token >= 0 && token < source_->vocab());
    for (const int32_t label : labels)
      ASSERT_TRUE(label == kIgnoreLabel || (label >= 0 && label < source_->vocab()));
    for (int64_t i = 0; i < batch.labels.dim(0); ++i) {
      const auto row = labels.begin() + i * batch.labels.dim(1);
      EXPECT_TRUE(std::any_of(row, row + batch.labels.dim(1),
                              [](int32_t label) { return label != kIgnoreLabel; }))
          << "example " << i << " asks nothing";
    }
  }
  EXPECT_EQ(source_->TrainBatch(0, 2).tokens.dim(1), GetParam().length);
}

// An example depends on its index alone: another batch size, another order and another process give
// the same ones.
TEST_P(EveryTask, EvaluationDoesNotDependOnTheBatch) {
  std::vector<int32_t> whole[3], parts[3];
  const auto append = [](const Examples& x, std::vector<int32_t>* to) {
    const Tensor* all[] = {&x.tokens, &x.labels, &x.slices};
    for (int i = 0; i < 3; ++i)
      for (const int32_t value : Ints(*all[i])) to[i].push_back(value);
  };
  const auto again = Make(0);
  int64_t begin = 0;
  for (const int64_t end : source_->eval_ends()) {
    append(source_->EvalBatch(begin, end), whole);
    for (int64_t i = begin; i < end; ++i) append(again->EvalBatch(i, i + 1), parts);
    begin = end;
  }
  EXPECT_EQ(begin, source_->eval_examples());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(whole[i], parts[i]);
}

TEST_P(EveryTask, TrainingGoesOnAnywhere) {
  if (GetParam().name == "bytes") return;  // Whose windows are keyed by the step.
  const std::vector<int32_t> whole = Ints(source_->TrainBatch(1, 6).tokens);
  std::vector<int32_t> parts;
  for (int64_t step = 3; step < 6; ++step)
    for (const int32_t token : Ints(Make(0)->TrainBatch(step, 2).tokens)) parts.push_back(token);
  EXPECT_EQ(whole, parts);
}

TEST_P(EveryTask, TrainingEvaluationAndSeedsDiffer) {
  const auto train = Ints(source_->TrainBatch(0, 6).tokens);
  EXPECT_NE(train, Ints(source_->TrainBatch(1, 6).tokens));
  EXPECT_NE(train, Ints(Make(1)->TrainBatch(0, 6).tokens));
  EXPECT_NE(train,
            Ints(source_->EvalBatch(0, std::min<int64_t>(6, source_->eval_ends()[0])).tokens));
}

TEST_P(EveryTask, SlicesCoverTheLabels) {
  const Examples all = source_->EvalBatch(0, source_->eval_examples());
  EXPECT_EQ(static_cast<bool>(all.slices), !source_->slices().empty());
  std::set<int32_t> seen;
  const auto slices = Ints(all.slices), labels = Ints(all.labels);
  for (size_t i = 0; i < slices.size(); ++i)
    if (labels[i] != kIgnoreLabel) seen.insert(slices[i]);
  EXPECT_EQ(seen.size(), source_->slices().size());
  if (!seen.empty()) {
    EXPECT_EQ(*seen.rbegin() + 1, static_cast<int32_t>(source_->slices().size()));
  }
}

INSTANTIATE_TEST_SUITE_P(All, EveryTask, testing::ValuesIn(TaskRows()),
                         [](const auto& row) { return row.param.name; });

TEST(Tasks, EveryFieldHasATaskAndAText) {
  std::vector<std::string> fields;
  const auto* source = DataConfig::descriptor()->FindOneofByName("source");
  for (int i = 0; i < source->field_count(); ++i) fields.push_back(source->field(i)->name());
  EXPECT_THAT(TaskNames(), UnorderedElementsAreArray(fields));
  for (const std::string& name : TaskNames()) {
    const std::string text = TaskText(name);
    EXPECT_EQ(text.rfind("// ", 0), 0u) << text;
    EXPECT_THAT(text, HasSubstr("\nmessage "));
    EXPECT_EQ(text.substr(text.size() - 3), "\n}\n") << text;
  }
  EXPECT_THAT(TaskText(""), HasSubstr("eval_length"));
}

TEST(Tasks, SlicesAreNamed) {
  const auto names = [](const std::string& data, int64_t length) {
    return TaskSource(data, length)->slices();
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names("parity {}", 8), Names());
  EXPECT_EQ(names("parity {} eval_length: 16", 8), Names());
  EXPECT_EQ(names("parity {} eval_length: [8, 16]", 8), (Names{"length=8", "length=16"}));
  EXPECT_EQ(names("class_incremental {}", 64), (Names{"phase=new", "phase=old"}));
  EXPECT_EQ(names("class_incremental {} eval_length: [64, 90]", 64),
            (Names{"length=64,phase=new", "length=64,phase=old", "length=90,phase=new",
                   "length=90,phase=old"}));
  EXPECT_EQ(names("mqar { eval { length: 64 pairs: 4 } eval { length: 128 } }", 64),
            (Names{"length=64,pairs=4", "length=128,pairs=8"}));
}

struct Bad {
  std::string data, error;
  int64_t length = 64;
};

TEST(Tasks, RefuseWhatCannotBe) {
  for (const Bad& bad : std::vector<Bad>{
           {"", "no data"},
           {"parity {} min_length: 65", "data.parity: min_length is 65"},
           {"parity {} eval_length: 0", "length is 0"},
           {"parity {} eval_examples: 0", "data.eval_examples is 0"},
           {"bytes { path: 'x' } eval_length: 8", "data.bytes: eval_length"},
           {"mqar { eval { length: 63 } }", "length is 63, must be even"},
           {"mqar { eval { pairs: 40 } }", "pairs 40, shown in passes 1"},
           {"mqar { train { length: 128 } }", "train has a length of 128"},
           {"in_context_recall { vocab: 1 }", "vocab is 1"},
           {"in_context_recall {} eval_length: 2", "length is 2, must be at least 3"},
           {"noisy_recall { noise_vocab: 31 }", "vocab is 32, must be from 33"},
           {"noisy_recall { noise: 1 }", "noise is 1"},
           {"fuzzy_recall { vocab: 5 }", "too few for key_motif 3"},
           {"fuzzy_recall {}", "length is 17, must be at least 18", 17},
           {"selective_copying { tokens: 32 }", "must be at least 66"},
           {"compression { vocab: 1 }", "vocab is 1"},
           {"memorization { vocab: 2 }", "vocab is 2"},
           {"modular_arithmetic { modulus: 1 }", "modulus is 1"},
           {"group_word { group: 'M11' }", "there is no \"M11\""},
           {"group_word { group: 'S3_x_' }", "S3_x_"},
           {"group_word { group: 'S8' }", "more than 5040 elements"},
           {"group_word { group: 'D2' }", "D3"},
           {"formal_language {}", "give data.min_length"},
           {"formal_language {} min_length: 2", "length is 2, must be at least 3"},
           {"needle { keys: 0 }", "keys is 0"},
           {"needle { keys: 10 digits: 1 }", "more digits than 1", 4096},
           {"needle {}", "length is 64, must be at least"},
           {"class_incremental { names: 3 }", "names is 3"},
           {"class_incremental {}", "must be at least 60", 59},
           {"class_incremental { item: 5 }", "item is 5"},
           {"class_incremental { cue_vocab: 31 } eval_length: 120",
            "32 cues (cues 4 each), not cue_vocab 31"},
       }) {
    SCOPED_TRACE(bad.data);
    EXPECT_THAT(TaskError(bad.data, bad.length), HasSubstr(bad.error));
  }
  EXPECT_THAT(TaskError("needle { haystack: '/nowhere' }", 4096), HasSubstr("/nowhere"));
}

}  // namespace
}  // namespace palimpsest
