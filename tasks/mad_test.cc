// The tasks of MAD, each example read with other eyes than those that wrote it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "ops/loss.h"
#include "tasks/testing.h"

namespace palimpsest {
namespace {

constexpr int64_t kExamples = 60;

using Motif = std::vector<int32_t>;

// Runs of tokens of one kind: keys are below `values`, values from there on.
struct Stretch {
  Motif motif;
  size_t begin;
};
std::vector<Stretch> StretchesOf(const std::vector<int32_t>& tokens, size_t begin, int32_t values) {
  std::vector<Stretch> runs;
  for (size_t t = begin; t < tokens.size(); ++t) {
    if (t == begin || (tokens[t] < values) != (tokens[t - 1] < values)) runs.push_back({{}, t});
    runs.back().motif.push_back(tokens[t]);
  }
  return runs;
}

// Labels are the values of keys seen before, each a token early; and the last key is one of those.
void CheckRecall(const Row& row, const std::vector<Stretch>& runs) {
  std::vector<int32_t> expected(row.tokens.size(), kIgnoreLabel);
  std::map<Motif, Motif> value_of;
  for (size_t i = 0; i + 1 < runs.size(); i += 2) {
    const Motif& key = runs[i].motif;
    Motif value = runs[i + 1].motif;
    const auto known = value_of.find(key);
    if (known == value_of.end()) {
      value_of[key] = value;
      continue;
    }
    const bool last = i + 2 >= runs.size();  // The end of a value is only a label.
    if (last) {
      ASSERT_LE(value.size(), known->second.size());
      ASSERT_TRUE(std::equal(value.begin(), value.end(), known->second.begin()));
    } else {
      ASSERT_EQ(value, known->second) << "a key changes its value";
    }
    for (size_t j = 0; j < known->second.size(); ++j)
      expected[runs[i + 1].begin + j - 1] = known->second[j];
  }
  if (runs.size() % 2 == 1) {  // It ends with a key, whose value is one token.
    const auto known = value_of.find(runs.back().motif);
    ASSERT_TRUE(known != value_of.end()) << "the last key is new";
    expected.back() = known->second[0];
  }
  EXPECT_EQ(row.labels, expected);
  EXPECT_NE(row.labels.back(), kIgnoreLabel);
}

TEST(InContextRecall, AsksForTheValuesOfKeysSeenBefore) {
  for (const int64_t length : {3, 16, 17, 128}) {
    const auto source = TaskSource("in_context_recall {}", length);
    for (const Row& row : EvalRows(*source, kExamples)) {
      ASSERT_EQ(row.tokens.size(), (length - 1) / 2 * 2 + 1);
      CheckRecall(row, StretchesOf(row.tokens, 0, 8));
    }
  }
}

TEST(InContextRecall, TrainingAsksForEveryTokenOrForTheSame) {
  const auto all = TaskSource("in_context_recall {}", 17);
  for (const Row& row : Rows(*all, all->TrainBatch(0, kExamples)))
    for (size_t t = 0; t + 1 < row.tokens.size(); ++t) EXPECT_EQ(row.labels[t], row.tokens[t + 1]);
  const auto source = TaskSource("in_context_recall { train_all: false }", 17);
  for (const Row& row : Rows(*source, source->TrainBatch(0, kExamples)))
    CheckRecall(row, StretchesOf(row.tokens, 0, 8));
}

TEST(NoisyRecall, NoiseIsInPairsAndAsMuchAsSaid) {
  const auto source = TaskSource("noisy_recall { noise: 0.4 }", 127);
  int64_t noise = 0, pairs = 0;
  for (const Row& row : EvalRows(*source, kExamples)) {
    Row clean;
    for (size_t t = 0; t < row.tokens.size(); t += 2) {
      const bool is_noise = row.tokens[t] >= 16;
      const size_t end = std::min(t + 2, row.tokens.size());
      for (size_t s = t; s < end; ++s) {
        EXPECT_EQ(row.tokens[s] >= 16, is_noise);
        if (is_noise) {
          EXPECT_EQ(row.labels[s], kIgnoreLabel);
        } else {
          clean.tokens.push_back(row.tokens[s]);
          clean.labels.push_back(row.labels[s]);
        }
      }
      noise += is_noise;
      ++pairs;
    }
    CheckRecall(clean, StretchesOf(clean.tokens, 0, 8));
  }
  EXPECT_NEAR(static_cast<double>(noise) / static_cast<double>(pairs), 0.4, 0.04);
}

TEST(FuzzyRecall, MotifsKeepTheirValues) {
  const int32_t pad = 15, values = 7;
  for (const bool train : {false, true}) {
    std::set<size_t> key_sizes, value_sizes;
    const auto config = train ? "fuzzy_recall { train_all: false }" : "fuzzy_recall {}";
    const auto made = TaskSource(config, 64);
    const Examples examples = train ? made->TrainBatch(0, 300) : made->EvalBatch(0, 300);
    for (const Row& row : Rows(*made, examples)) {
      ASSERT_EQ(row.tokens.size(), 64u);
      const size_t begin =
          std::find_if(row.tokens.begin(), row.tokens.end(), [&](int32_t t) { return t != pad; }) -
          row.tokens.begin();
      const std::vector<Stretch> runs = StretchesOf(row.tokens, begin, values);
      for (size_t i = 0; i < runs.size(); ++i) {
        if (i + 1 < runs.size() || i % 2 == 0)  // The last value is cut.
          (i % 2 == 0 ? key_sizes : value_sizes).insert(runs[i].motif.size());
        EXPECT_EQ(std::set<int32_t>(runs[i].motif.begin(), runs[i].motif.end()).size(),
                  runs[i].motif.size());
      }
      CheckRecall(row, runs);
    }
    EXPECT_EQ(key_sizes, train ? (std::set<size_t>{1, 2, 3}) : std::set<size_t>{3});
    EXPECT_EQ(value_sizes, (std::set<size_t>{1, 2, 3}));
  }
}

TEST(SelectiveCopying, LabelsAreTheTokensInOrder) {
  const auto source = TaskSource("selective_copying { tokens: 5 }", 32);
  for (const Row& row : EvalRows(*source, kExamples)) {
    std::vector<std::string> tokens, asked;
    bool copying = false;
    for (size_t t = 0; t < 32; ++t) {
      if (copying) {
        EXPECT_EQ(row.token_text[t], "_");
        asked.push_back(row.label_text[t]);
        continue;
      }
      EXPECT_EQ(row.label_text[t], ".");
      if (row.token_text[t] == "COPY") copying = true;
      if (row.token_text[t] != "COPY" && row.token_text[t] != "_")
        tokens.push_back(row.token_text[t]);
    }
    EXPECT_EQ(tokens.size(), 5u);
    EXPECT_EQ(asked, tokens);
  }
}

TEST(Compression, TheSequenceIsAskedForAtTheSigns) {
  for (const int64_t length : {16, 17}) {
    const auto source = TaskSource("compression {}", length);
    for (const Row& row : EvalRows(*source, kExamples)) {
      ASSERT_EQ(row.tokens.size(), 16u);
      for (size_t t = 0; t < 8; ++t) {
        EXPECT_NE(row.token_text[t], "SIGN");
        EXPECT_EQ(row.label_text[t], ".");
        EXPECT_EQ(row.token_text[t + 8], "SIGN");
        EXPECT_EQ(row.labels[t + 8], row.tokens[t]);
      }
    }
  }
}

TEST(Memorization, ValuesAreTheSameEverywhereAndHaveOneKey) {
  std::map<int32_t, int32_t> value_of;
  for (const uint64_t seed : {0, 1}) {
    const auto source = TaskSource("memorization { vocab: 20 }", 12, seed);
    for (const Examples& part : {source->TrainBatch(0, kExamples), source->EvalBatch(0, kExamples)})
      for (const Row& row : Rows(*source, part))
        for (size_t t = 0; t < 12; t += 2) {
          EXPECT_EQ(row.labels[t], kIgnoreLabel);
          EXPECT_EQ(row.token_text[t + 1], "SIGN");
          const auto [it, is_new] = value_of.emplace(row.tokens[t], row.labels[t + 1]);
          EXPECT_EQ(it->second, row.labels[t + 1]);
        }
  }
  std::set<int32_t> values;
  for (const auto& [key, value] : value_of) {
    EXPECT_LT(key, 9);
    EXPECT_TRUE(value >= 9 && value < 19);
    values.insert(value);
  }
  EXPECT_EQ(value_of.size(), 9u);
  EXPECT_EQ(values.size(), 9u);
  const auto other = TaskSource("memorization { vocab: 20 map_seed: 1 }", 12);
  EXPECT_NE(Ints(other->EvalBatch(0, 9).labels),
            Ints(TaskSource("memorization { vocab: 20 }", 12)->EvalBatch(0, 9).labels));
}

}  // namespace
}  // namespace palimpsest
