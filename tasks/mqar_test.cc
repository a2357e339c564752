#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "ops/loss.h"
#include "tasks/data.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kLength = 64;

MqarData Config() {
  MqarData config;
  config.set_vocab(128);
  config.set_pairs(4);
  return config;
}

std::unique_ptr<DataSource> Source(const MqarData& config, uint64_t seed = 0) {
  DataConfig data;
  *data.mutable_mqar() = config;
  return *MakeDataSource(data, kLength, seed);
}

std::vector<int32_t> Values(const Tensor& x) {
  return {x.data<int32_t>(), x.data<int32_t>() + x.size()};
}

// The rules of one example, of which only the draws are free.
void CheckExample(const MqarData& config, const int32_t* tokens, const int32_t* labels) {
  const int64_t context = 2 * config.pairs() * config.passes();
  std::map<int32_t, int32_t> pairs;
  std::set<int32_t> values;
  for (int64_t t = 0; t < context; t += 2) {
    const int32_t key = tokens[t], value = tokens[t + 1];
    EXPECT_TRUE(key >= 1 && key < config.vocab() / 2) << key;
    EXPECT_TRUE(value >= config.vocab() / 2 && value < config.vocab()) << value;
    EXPECT_EQ(key, tokens[t % (2 * config.pairs())]) << "the passes differ";
    pairs[key] = value;
    values.insert(value);
    EXPECT_EQ(labels[t], kIgnoreLabel);
    EXPECT_EQ(labels[t + 1], kIgnoreLabel);
  }
  EXPECT_EQ(static_cast<int64_t>(pairs.size()), config.pairs()) << "keys are distinct";
  EXPECT_EQ(static_cast<int64_t>(values.size()), config.pairs()) << "values are distinct";
  std::set<int32_t> asked;
  for (int64_t t = context; t < kLength; ++t) {
    EXPECT_TRUE(tokens[t] >= 0 && tokens[t] < config.vocab()) << tokens[t];
    if (labels[t] == kIgnoreLabel) {
      if (!config.random_non_queries()) {
        EXPECT_EQ(tokens[t], 0);
      }
      continue;
    }
    EXPECT_EQ((t - context) % 2, 0) << "queries start a slot";
    ASSERT_TRUE(pairs.contains(tokens[t]));
    EXPECT_EQ(labels[t], pairs[tokens[t]]) << "the label is at the query";
    EXPECT_TRUE(asked.insert(tokens[t]).second) << "asked for twice";
  }
  EXPECT_EQ(static_cast<int64_t>(asked.size()), config.pairs()) << "each key is asked for";
}

TEST(Mqar, EveryExampleKeepsTheRules) {
  for (const int64_t passes : {1, 3}) {
    for (const bool random : {false, true}) {
      MqarData config = Config();
      config.set_passes(passes);
      config.set_random_non_queries(random);
      const Examples examples = Source(config)->TrainBatch(5, 50);
      ASSERT_EQ(examples.tokens.shape(), Shape({50, kLength}));
      for (int64_t i = 0; i < 50; ++i)
        CheckExample(config, examples.tokens.data<int32_t>() + i * kLength,
                     examples.labels.data<int32_t>() + i * kLength);
    }
  }
}

TEST(Mqar, ExamplesDependOnTheirIndexAlone) {
  const auto source = Source(Config());
  const std::vector<int32_t> whole = Values(source->TrainBatch(0, 8).tokens);
  std::vector<int32_t> halves = Values(source->TrainBatch(0, 4).tokens);
  for (int32_t token : Values(source->TrainBatch(1, 4).tokens)) halves.push_back(token);
  EXPECT_EQ(whole, halves);
  EXPECT_EQ(Values(source->EvalBatch(3, 5).tokens),
            Values(Source(Config())->EvalBatch(3, 5).tokens));
}

TEST(Mqar, TrainingEvaluationAndSeedsDiffer) {
  const auto source = Source(Config());
  const auto train = Values(source->TrainBatch(0, 4).tokens);
  EXPECT_NE(train, Values(source->EvalBatch(0, 4).tokens));
  EXPECT_NE(train, Values(source->TrainBatch(1, 4).tokens));
  EXPECT_NE(train, Values(Source(Config(), 1)->TrainBatch(0, 4).tokens));
}

// The first of two slots drawn is slot i with probability p_i; with power_a = 1 all are alike, with
// a small one early slots dominate.
TEST(Mqar, SlotsFollowThePowerLaw) {
  MqarData config = Config();
  config.set_pairs(1);
  for (const double a : {0.01, 1.0}) {
    config.set_power_a(a);
    const int64_t slots = (kLength - 2) / 2, examples = 4000;
    std::vector<double> weights;
    double sum = 0;
    for (int64_t i = 1; i <= slots; ++i) sum += weights.emplace_back(std::pow(i, a - 1));
    const auto labels = Values(Source(config)->TrainBatch(0, examples).labels);
    int64_t first = 0;
    for (int64_t i = 0; i < examples; ++i) first += labels[i * kLength + 2] != kIgnoreLabel;
    const double p = weights[0] / sum;
    EXPECT_NEAR(first / static_cast<double>(examples), p, 4 * std::sqrt(p * (1 - p) / examples))
        << "a = " << a;
  }
}

std::string Error(const MqarData& config, int64_t length) {
  DataConfig data;
  *data.mutable_mqar() = config;
  return std::string(MakeDataSource(data, length, 0).status().message());
}

TEST(Mqar, SegmentsOfTrainingTakeTurns) {
  MqarData config = Config();
  for (const int64_t pairs : {1, 3}) {
    MqarData::Segment& segment = *config.add_train();
    segment.set_length(16 * pairs);
    segment.set_pairs(pairs);
  }
  const auto labels = Values(Source(config)->TrainBatch(0, 6).labels);
  for (int64_t i = 0; i < 6; ++i) {
    const auto row = labels.begin() + i * kLength;
    const int64_t pairs = i % 2 == 0 ? 1 : 3;
    EXPECT_EQ(kLength - std::count(row, row + kLength, kIgnoreLabel), pairs);
    EXPECT_EQ(std::count(row + 16 * pairs, row + kLength, kIgnoreLabel), kLength - 16 * pairs);
  }
}

struct Bad {
  const char* error;
  void (*change)(MqarData*);
};

TEST(Mqar, RefusesWhatCannotBe) {
  for (const Bad& bad : {Bad{"need a length of 68", [](MqarData* c) { c->set_pairs(17); }},
                         Bad{"above length", [](MqarData* c) { c->set_vocab(64); }},
                         Bad{"from 1 to", [](MqarData* c) { c->set_passes(0); }},
                         Bad{"positive", [](MqarData* c) { c->set_power_a(0); }}}) {
    MqarData config = Config();
    bad.change(&config);
    EXPECT_THAT(Error(config, kLength), HasSubstr(bad.error));
  }
  EXPECT_THAT(Error(Config(), 63), HasSubstr("must be even"));
}

}  // namespace
}  // namespace palimpsest
