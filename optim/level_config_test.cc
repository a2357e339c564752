// Levels spelled out: what cannot be is refused by a line that says where and what can.
#include <ostream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "optim/optimizer.h"
#include "optim/testing.h"

namespace palimpsest {
namespace {

absl::Status Create(const OptimizerConfig& config) {
  const NamedTensors params = RandomTensors({{"w", Tensor::Empty({3, 2}, DType::kF32)}}, 1);
  return Optimizer::Create(config, params).status();
}

struct Bad {
  std::string level, message;
};
void PrintTo(const Bad& bad, std::ostream* os) { *os << bad.level; }

class BadLevelTest : public ::testing::TestWithParam<Bad> {};

TEST_P(BadLevelTest, IsRefusedByName) {
  const absl::Status status =
      Create(ParseConfig(absl::StrCat("name: 'chain' level { ", GetParam().level, " }")));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), GetParam().message)) << status;
}

INSTANTIATE_TEST_SUITE_P(
    All, BadLevelTest,
    ::testing::Values(
        Bad{"", "optimizer.level.0.kind is ''; there are none, ema, delta_momentum"},
        Bad{"kind: 'average'", "optimizer.level.0.kind is 'average'; there are none, ema"},
        Bad{"kind: 'ema' decay_scale: 2", "optimizer.level.0.decay_scale is set, but chain has no"},
        Bad{"kind: 'ema' rule: 'delta'",
            "optimizer.level.0.rule, params or options are set, but kind 'ema' has a rule of its"},
        Bad{"kind: 'deep' params { key: 'x' value: 1 }",
            "optimizer.level.0.rule, params or options are set, but kind 'deep'"},
        Bad{"kind: 'hope_delta' reading: SCALAR preconditioner: ROW_NORM",
            "optimizer.level.0.preconditioner ROW_NORM is for reading MATRIX"},
        Bad{"kind: 'hope_delta' reading: VECTOR preconditioner: ROW_NORM",
            "optimizer.level.0.preconditioner ROW_NORM is for reading MATRIX"},
        Bad{"kind: 'deep' pairs: ACTIVATIONS",
            "optimizer.level.0.pairs of kind deep are ROWS or ENTRIES"},
        Bad{"kind: 'deep' target: BASIS", "optimizer.level.0.target BASIS is for matrices"},
        Bad{"kind: 'delta_momentum' nesterov: true contraction: DIRECT",
            "optimizer.level.0.nesterov reads the memory after one more write"},
        Bad{"kind: 'delta_momentum' period: 2",
            "optimizer.level.0.period: a level keyed on activations sees those of a step"},
        Bad{"kind: 'ema' } level { kind: 'delta_momentum'",
            "optimizer.level.1.kind delta_momentum learns from activations"},
        Bad{"kind: 'ema' } second_moment: NORMALIZED_KEYS schedule {",
            "optimizer.second_moment NORMALIZED_KEYS needs a first level keyed on activations"},
        Bad{"kind: 'memory' rule: 'delta' target: BASIS",
            "optimizer.level.0.target BASIS, a unit vector for each row, is for pairs ROWS"},
        Bad{"kind: 'memory'", "optimizer.level.0.rule: no memory rule \"\"; known: "},
        Bad{"kind: 'memory' rule: 'delta' gates { key: 'alpha' value: 1 }",
            "optimizer.level.0.gates.alpha is set, but chain has no such value"},
        Bad{"kind: 'memory' rule: 'delta' params { key: 'x' value: 1 }",
            "optimizer.level.0.rule: memory rule delta has no parameter \"x\""},
        Bad{"kind: 'memory' rule: 'kda'", "optimizer.level.0.rule: its gate log_keep is a vector"},
        Bad{"kind: 'memory' rule: 'delta_product'", "optimizer.level.0.rule: it writes 2 pairs"},
        Bad{"kind: 'memory' rule: 'titans_linear' pairs: ACTIVATIONS",
            "optimizer.level.0.rule: titans_linear needs more of a batch than sums"}));

}  // namespace
}  // namespace palimpsest
