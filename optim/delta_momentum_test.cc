// The momentum of delta_sgd, whose rate is 0 here, against what is proved of it: with keys xh_i of
// unit length and Sigma = sum_i xh_i xh_i^T / N,
//   M <- beta M + eta (Ghat - M Sigma)
#include <array>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/random.h"
#include "gtest/gtest.h"
#include "memory_rules/rule.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/linalg.h"
#include "optim/optimizer.h"
#include "optim/testing.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

constexpr double kBeta = 0.9, kEta = 0.4;
constexpr std::array<double, 3> kLambdas = {0.6, 0.3, 0.1};

Tensor Random(Shape shape, uint64_t seed) {
  return RandomNormal(std::move(shape), RandomStream(seed, "delta"), DType::kF64);
}

// An orthonormal basis, a direction a row.
Tensor Basis() {
  const double a = std::cos(0.7), b = std::sin(0.7), c = std::cos(0.4), d = std::sin(0.4);
  return Tensor::FromVector({3, 3}, {a * c, b * c, d, -b, a, 0, -a * d, -b * d, c}, DType::kF64);
}

// Four keys of unit length, none along the basis, whose Sigma has it for eigenvectors, with
// kLambdas.
Tensor Keys() {
  std::vector<double> keys;
  for (const double second : {1.0, -1.0}) {
    for (const double third : {1.0, -1.0}) {
      keys.insert(keys.end(), {std::sqrt(kLambdas[0]), second * std::sqrt(kLambdas[1]),
                               third * std::sqrt(kLambdas[2])});
    }
  }
  return MatMul(Tensor::FromVector({4, 3}, keys, DType::kF64), Basis());
}

// The momentum of one layer W [2, 3].
class Momentum {
 public:
  explicit Momentum(const std::string& config)
      : optimizer_(MakeOptimizer(config, {{"w", weight_}})),
        state_(optimizer_->Init({{"w", weight_}})) {}

  static Momentum Delta() {
    return Momentum(absl::StrCat("name: 'delta_sgd' lr: 0 momentum: ", kBeta, " eta: ", kEta));
  }
  static Momentum Ema() {
    return Momentum(absl::StrCat("name: 'sgd' lr: 0 momentum: ", kBeta, " dampening: ", kBeta));
  }

  void Step(const Tensor& x, const Tensor& d) {
    state_ =
        UpdateAfter({{.layers = {{"w", {x, d}}}}}, *optimizer_, {{"w", weight_}}, state_, step_++)
            .state;
  }
  Tensor m() const { return Reshape(state_.at("w.m"), {2, 3}); }
  void set_m(const Tensor& m) {
    state_["w.m"] = Reshape(m, state_.at("w.m").shape());
    step_ = 1;
  }

 private:
  Tensor weight_ = Tensor::Full({2, 3}, 0.0, DType::kF64);
  std::shared_ptr<const Optimizer> optimizer_;
  NamedTensors state_;
  int64_t step_ = 0;
};

// What a momentum says in the directions u_i: M u_i, a column each.
Tensor AlongBasis(const Tensor& m) { return MatMul(m, Basis(), {.b = true}); }

Tensor PerDirection(std::vector<double> factors) {
  return Tensor::FromVector({1, 3}, factors, DType::kF64);
}

// Without a gradient, for tokens drawn one a step: E[P] u_i = (beta - eta lambda_i)^t u_i. The
// expectation is the mean over all sequences there are.
TEST(DeltaMomentum, TransportsDirectionsByTheirShareOfTheKeys) {
  constexpr int kSteps = 3, kSequences = 64;
  const Tensor keys = Keys(), m = Random({2, 3}, 1), none = Tensor::Full({1, 2}, 0.0, DType::kF64);
  Tensor mean = Tensor::Full({2, 3}, 0.0, DType::kF64);
  for (int sequence = 0; sequence < kSequences; ++sequence) {
    Momentum momentum = Momentum::Delta();
    momentum.set_m(m);
    for (int step = 0, digits = sequence; step < kSteps; ++step, digits /= 4)
      momentum.Step(Slice(keys, 0, digits % 4, digits % 4 + 1), none);
    mean = Add(mean, Mul(momentum.m(), 1.0 / kSequences));
  }
  std::vector<double> factors;
  for (double lambda : kLambdas) factors.push_back(std::pow(kBeta - kEta * lambda, kSteps));
  EXPECT_LT(Distance(AlongBasis(mean), Mul(AlongBasis(m), PerDirection(factors))), 1e-11);
}

// M* = eta Ghat ((1 - beta) I + eta Sigma)^-1: along u_i, eta / (1 - beta + eta lambda_i).
TEST(DeltaMomentum, SettlesAtItsFixedPoint) {
  Momentum momentum = Momentum::Delta();
  const Tensor keys = Keys(), d = Random({4, 2}, 2);
  for (int step = 0; step < 250; ++step) momentum.Step(keys, d);
  const Tensor settled = momentum.m();
  std::vector<double> gains;
  for (double lambda : kLambdas) gains.push_back(kEta / (1 - kBeta + kEta * lambda));
  const Tensor ghat = MatMul(d, keys, {.a = true});
  EXPECT_LT(Distance(AlongBasis(settled), Mul(AlongBasis(ghat), PerDirection(gains))), 1e-11);
  momentum.Step(keys, d);
  EXPECT_LT(Distance(momentum.m(), settled), 1e-11);
}

// After the gradient has shifted, what is left of the old one shrinks by beta - eta lambda_i a
// step, in an average of gradients by beta.
TEST(DeltaMomentum, TracksAShiftFasterThanAnAverage) {
  const Tensor keys = Keys(), before = Random({4, 2}, 3), after = Random({4, 2}, 4);
  std::vector<double> shrinks;
  for (double lambda : kLambdas) shrinks.push_back(kBeta - kEta * lambda);
  const auto expect_contraction = [&](Momentum momentum, const std::vector<double>& factors) {
    Momentum settled = momentum;
    for (int step = 0; step < 400; ++step) momentum.Step(keys, before), settled.Step(keys, after);
    const Tensor goal = settled.m();
    for (int step = 0; step < 10; ++step) {
      const Tensor left = AlongBasis(Sub(momentum.m(), goal));
      momentum.Step(keys, after);
      EXPECT_LT(Distance(AlongBasis(Sub(momentum.m(), goal)), Mul(left, PerDirection(factors))),
                1e-10);
    }
  };
  expect_contraction(Momentum::Delta(), shrinks);
  expect_contraction(Momentum::Ema(), {kBeta, kBeta, kBeta});
}

// Lengths of inputs do not matter, only directions.
TEST(DeltaMomentum, HasKeysOfUnitLength) {
  Momentum a = Momentum::Delta(), b = Momentum::Delta();
  const Tensor keys = Keys(), d = Random({4, 2}, 5);
  const Tensor sizes = Tensor::FromVector({4, 1}, {0.1, 3, 20, 1}, DType::kF64);
  for (int step = 0; step < 3; ++step) a.Step(keys, d), b.Step(Mul(keys, sizes), d);
  EXPECT_LT(Distance(a.m(), b.m()), 1e-10);
}

// One token a step: the delta rule with forgetting over a sequence, token by token or in chunks.
TEST(DeltaMomentum, OfSingleTokensIsARuleOverASequence) {
  constexpr int kTokens = 23;
  const Tensor x = Random({kTokens, 3}, 6), d = Random({kTokens, 2}, 7);
  Momentum momentum = Momentum::Delta();
  for (int t = 0; t < kTokens; ++t) momentum.Step(Slice(x, 0, t, t + 1), Slice(d, 0, t, t + 1));

  const Tensor squares = MatMul(Mul(x, x), Tensor::Full({3, 1}, 1.0, DType::kF64));
  const Tensor keys = Div(x, Sqrt(Add(squares, 1e-12)));
  const auto gate = [](double value) { return Tensor::Full({1, kTokens, 1}, value, DType::kF64); };
  struct Named {
    RuleConfig config;
    std::string strength;
  };
  // The rule of the optimizer's level, and another that comes to the same.
  for (const Named& named : {Named{{"titans_linear", {{"exact", 1}, {"momentum", 0}}}, "theta"},
                             Named{{"dgd", {{"dot", 1}}}, "eta"}}) {
    const auto rule = MakeMemoryRule(named.config);
    ASSERT_TRUE(rule.ok()) << rule.status();
    const Sequence seq{
        .q = Reshape(keys, {1, kTokens, 1, 3}),
        .k = Reshape(keys, {1, kTokens, 1, 3}),
        .v = Reshape(d, {1, kTokens, 1, 2}),
        .gates = {{"log_keep", gate(std::log(kBeta))}, {named.strength, gate(kEta)}}};
    for (const ScanMode mode : {ScanMode::kSteps, ScanMode::kChunks}) {
      const State fresh = (*rule)->Init({1, 3, 2}, DType::kF64, RandomStream(0, "fresh"));
      const ScanResult result = Scan(**rule, seq, fresh, {.mode = mode, .chunk = 8});
      EXPECT_LT(Distance(Reshape(result.state[0], {2, 3}), momentum.m()), 1e-12)
          << named.config.name;
    }
  }
}

// Nothing is kept from step to step but what an average keeps.
TEST(DeltaMomentum, TakesNoMoreStateThanAnAverage) {
  const NamedTensors params = RandomTensors(
      {{"w", Tensor::Empty({6, 5}, DType::kF32)}, {"b", Tensor::Empty({6}, DType::kF32)}}, 1);
  const auto bytes = [&](const std::string& config) {
    return TotalBytes(MakeOptimizer(config, params)->Init(params));
  };
  const std::string auxiliary = " auxiliary { name: 'sgd' momentum: 0.9 }";
  EXPECT_EQ(bytes("name: 'delta_sgd'" + auxiliary), bytes("name: 'sgd' momentum: 0.9"));
  EXPECT_EQ(bytes("name: 'delta_adamw'"), bytes("name: 'adamw'"));
  EXPECT_EQ(bytes("name: 'delta_muon'"), bytes("name: 'muon'"));
}

}  // namespace
}  // namespace palimpsest
