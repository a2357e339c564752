#include <cmath>

#include "core/random.h"
#include "gtest/gtest.h"
#include "ops/elementwise.h"
#include "optim/levels.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

Hypers Keep(double keep) { return {{"keep", Tensor::Full({}, keep, DType::kF64)}}; }

Tensor Gradient(int step) {
  return RandomNormal({2, 3}, RandomStream(step, "gradient"), DType::kF64);
}

Tensor Update(const Level& level, const Tensor& gradient, int step, const Hypers& hypers,
              NamedTensors& state) {
  return level.Update({gradient}, {step, Tensor::Full({}, step + 1.0, DType::kF64), hypers, {}},
                      state);
}

TEST(Ema, IsTheRecurrence) {
  const auto level = EmaLevel({.slot = "m"}, {.keep = Hyper("keep")});
  NamedTensors state = level->Init({2, 3}, DType::kF64);
  Tensor want = Tensor::Full({2, 3}, 0.0, DType::kF64);
  for (int step = 0; step < 5; ++step) {
    want = Add(Mul(want, 0.9), Mul(Gradient(step), 0.1));
    EXPECT_LT(Distance(Update(*level, Gradient(step), step, Keep(0.9), state), want), 1e-14);
  }
  ASSERT_EQ(state.size(), 1u);
  EXPECT_EQ(state.at("m").size(), 6);
}

// With the same gradient again and again, the corrected average is that gradient from the first
// step on.
TEST(Ema, CorrectionUndoesTheStartAtZero) {
  const auto level = EmaLevel({.slot = "m"}, {.keep = Hyper("keep"), .corrected = true});
  NamedTensors state = level->Init({2, 3}, DType::kF64);
  for (int step = 0; step < 4; ++step) {
    EXPECT_LT(Distance(Update(*level, Gradient(1), step, Keep(0.99), state), Gradient(1)), 1e-13);
  }
}

TEST(Ema, LookaheadIsNesterovs) {
  const auto level = EmaLevel({.slot = "m", .nesterov = true}, {.keep = Hyper("keep")});
  NamedTensors state = level->Init({2, 3}, DType::kF64);
  Tensor m = Tensor::Full({2, 3}, 0.0, DType::kF64);
  for (int step = 0; step < 3; ++step) {
    const Tensor g = Gradient(step);
    m = Add(Mul(m, 0.8), Mul(g, 0.2));
    EXPECT_LT(Distance(Update(*level, g, step, Keep(0.8), state), Add(Mul(m, 0.8), Mul(g, 0.2))),
              1e-14);
  }
}

TEST(Ema, KeepOfZeroReadsTheLastGradient) {
  const auto level = EmaLevel({.slot = "m"}, {.keep = Hyper("keep"), .corrected = true});
  NamedTensors state = level->Init({2, 3}, DType::kF64);
  for (int step = 0; step < 3; ++step) {
    EXPECT_LT(Distance(Update(*level, Gradient(step), step, Keep(0.0), state), Gradient(step)),
              1e-15);
  }
}

// A slow level: between its writes it answers from what it knew.
TEST(Level, WritesOnceAPeriodWithTheSum) {
  const auto level = EmaLevel({.slot = "slow", .period = 3}, {.keep = Hyper("keep")});
  NamedTensors state = level->Init({2, 3}, DType::kF64);
  EXPECT_EQ(state.size(), 2u);
  Tensor m = Tensor::Full({2, 3}, 0.0, DType::kF64), sum = m;
  for (int step = 0; step < 9; ++step) {
    sum = Add(sum, Gradient(step));
    if (step % 3 == 2) {
      m = Add(Mul(m, 0.5), Mul(sum, 0.5));
      sum = Tensor::Full({2, 3}, 0.0, DType::kF64);
    }
    const Tensor read = Update(*level, Gradient(step), step, Keep(0.5), state);
    EXPECT_LT(Distance(Add(read, 1.0), Add(m, 1.0)), 1e-14) << step;
  }
}

// Any memory of the registry can be a level. Here keys are the rows of the gradient, as in HOPE's
// delta momentum: M <- M - beta M G^T G + beta G.
TEST(Level, OfTheDeltaRuleOnRowsOfTheGradient) {
  absl::StatusOr<std::unique_ptr<MemoryRule>> delta = MakeMemoryRule({"delta", {}, {}});
  const auto level = GradientKeyedLevel(
      {.slot = "m"},
      {.memory = *std::move(delta), .gates = {{"beta", "keep"}}, .target = OptimizerConfig::BASIS});
  NamedTensors state = level->Init({2, 3}, DType::kF64);
  std::vector<double> m(6, 0.0);
  Tensor read;
  for (int step = 0; step < 3; ++step) {
    const std::vector<double> g = Gradient(step).ToVector();
    std::vector<double> next = m;
    for (int i = 0; i < 2; ++i) {
      for (int r = 0; r < 2; ++r) {
        double seen = 0.0;
        for (int j = 0; j < 3; ++j) seen += m[3 * i + j] * g[3 * r + j];
        for (int j = 0; j < 3; ++j)
          next[3 * i + j] += 0.1 * ((i == r ? 1.0 : 0.0) - seen) * g[3 * r + j];
      }
    }
    m = next;
    read = Update(*level, Gradient(step), step, Keep(0.1), state);
  }
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 3; ++j) EXPECT_NEAR(read.ToVector()[3 * i + j], m[3 * i + j], 1e-14);
  }
}

// A memory that is kept transposed is read as what it answers, square or not.
TEST(Level, OfAMemoryKeptTransposed) {
  const std::shared_ptr<const MemoryRule> oja = *MakeMemoryRule({"oja", {}, {}});
  const auto level =
      GradientKeyedLevel({.slot = "m"}, {.memory = oja,
                                         .gates = {{"log_keep", "keep", true}, {"eta", "keep"}},
                                         .target = OptimizerConfig::BASIS});
  NamedTensors state = level->Init({3, 3}, DType::kF64);
  const Tensor g = RandomNormal({3, 3}, RandomStream(1, "gradient"), DType::kF64);
  const std::vector<double> read = Update(*level, g, 0, Keep(0.5), state).ToVector();
  const Tensor eye = Tensor::FromVector({1, 3, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1}, DType::kF64);
  const std::vector<double> answers = oja->Read({state.at("m")}, eye).ToVector();
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) EXPECT_NEAR(read[3 * i + j], answers[3 * j + i], 1e-14);
  }
}

}  // namespace
}  // namespace palimpsest
