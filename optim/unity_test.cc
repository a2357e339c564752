// One rule, one recurrence: what a rule does as a sequence layer, scanned over tokens, it does as
// an optimizer's level, scanned over steps. For each row: what a token writes is what a step's
// gradient is encoded as, and what the level reads out is what the layer gives.
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/random.h"
#include "gtest/gtest.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/linalg.h"
#include "ops/newton_schulz.h"
#include "ops/reduce.h"
#include "optim/optimizer.h"
#include "optim/testing.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

constexpr int64_t kSteps = 9, kRows = 3, kColumns = 4;

Tensor Normal(Shape shape, const std::string& name, int64_t step) {
  return RandomNormal(std::move(shape), RandomStream(step, name), DType::kF64);
}

Tensor Flat(const Tensor& x) { return Reshape(x, {x.size()}); }

Tensor Gates(double value, int64_t time) { return Tensor::Full({1, time, 1}, value, DType::kF64); }

// A rule and what a sequence layer would have been given: step by step one token, which is asked
// with `q`.
struct AsLayer {
  RuleConfig rule;
  std::map<std::string, double> gates;
  std::function<std::vector<Tensor>(int64_t step)> pair;  // q, k, v: vectors.
  // Compared is the memory after each step, not what it answers.
  bool memory = false;
  // Of what is compared; unset: as it is.
  std::function<Tensor(const Tensor&)> output = nullptr;
};

// What the layer gives at each step, by the chunkwise form.
std::vector<Tensor> RunLayer(const AsLayer& layer) {
  const auto rule = MakeMemoryRule(layer.rule);
  PALIMPSEST_CHECK(rule.ok()) << rule.status();
  Tensors q, k, v;
  for (int64_t step = 0; step < kSteps; ++step) {
    const std::vector<Tensor> x = layer.pair(step);
    q.push_back(Reshape(x[0], {1, 1, 1, x[0].size()}));
    k.push_back(Reshape(x[1], {1, 1, 1, x[1].size()}));
    v.push_back(Reshape(x[2], {1, 1, 1, x[2].size()}));
  }
  Sequence seq{.q = Concat(q, 1), .k = Concat(k, 1), .v = Concat(v, 1)};
  for (const auto& [gate, value] : layer.gates) seq.gates[gate] = Gates(value, kSteps);
  const MemoryDims dims{.batch = 1, .key = seq.k.dim(-1), .value = seq.v.dim(-1)};
  // Anchored rules measure their error where the level does: at the state before each write.
  const ScanOptions options{.chunk = (*rule)->anchored() ? 1 : 4};
  const State start = (*rule)->Init(dims, DType::kF64, RandomStream(0, "m0"));
  const auto until = [](const Tensor& x, int64_t time) { return Slice(x, 1, 0, time); };
  std::vector<Tensor> given;
  for (int64_t step = 0; step < kSteps; ++step) {
    Sequence part{until(seq.q, step + 1), until(seq.k, step + 1), until(seq.v, step + 1), {}, {}};
    for (const auto& [gate, value] : seq.gates) part.gates[gate] = until(value, step + 1);
    const ScanResult r = Scan(**rule, part, start, options);
    given.push_back(Flat(layer.memory ? r.state[0] : Slice(r.y, 1, step, step + 1)));
  }
  return given;
}

// The same rule as the only level of an optimizer: its step down is what the level reads out.
struct AsLevel {
  std::string config;
  Shape param;
  std::function<Tensor(int64_t step)> gradient;
  // For levels keyed on activations: a token's input and the gradient at its output.
  std::function<std::pair<Tensor, Tensor>(int64_t step)> token = nullptr;
};

std::vector<Tensor> RunLevel(const AsLevel& level) {
  NamedTensors params = {{"w", Normal(level.param, "w", 0)}};
  const auto optimizer = MakeOptimizer(level.config, params);
  NamedTensors state = optimizer->Init(params);
  std::vector<Tensor> steps;
  for (int64_t step = 0; step < kSteps; ++step) {
    const auto tap = optimizer->Listen(params, state, step, 1.0);
    if (tap != nullptr) {
      const auto [x, d] = level.token(step);
      tap->See(params.at("w"), x, d);
    }
    const Tensor before = params.at("w");
    UpdateResult r =
        optimizer->Update(params, {{"w", level.gradient(step)}}, state, step, {}, tap.get());
    params = std::move(r.params), state = std::move(r.state);
    steps.push_back(Reshape(Sub(before, params.at("w")), {before.size()}));
  }
  return steps;
}

struct Row {
  std::string name;
  AsLayer layer;
  AsLevel level;
};

class UnityTest : public ::testing::TestWithParam<Row> {};

TEST_P(UnityTest, SameNumbersFromBothSides) {
  const Row& row = GetParam();
  const std::vector<Tensor> layer = RunLayer(row.layer), level = RunLevel(row.level);
  for (int64_t step = 0; step < kSteps; ++step) {
    const Tensor y = row.layer.output ? row.layer.output(layer[step]) : layer[step];
    EXPECT_GT(Distance(Add(y, 1.0), Tensor::Full(y.shape(), 1.0, y.dtype())), 1e-3) << step;
    EXPECT_LT(Distance(y, level[step]), 1e-12) << step;
  }
}

Tensor G(int64_t step) { return Normal({kRows, kColumns}, "g", step); }
Tensor One() { return Tensor::Full({1}, 1.0, DType::kF64); }

// The gradient of a linear layer with one token: d x^T, for x of unit length.
Tensor X(int64_t step) {
  const Tensor x = Normal({1, kColumns}, "x", step);
  return Div(x, Norm(x));
}
Tensor D(int64_t step) { return Normal({1, kRows}, "d", step); }

std::string Level(const std::string& text) {
  return "name: 'chain' lr: 1 group { match: '*' set { name: 'chain' level { " + text + " } } }";
}

std::vector<Row> Rows() {
  const auto whole = [](int64_t t) { return std::vector<Tensor>{One(), One(), Flat(G(t))}; };
  // One row of a gradient: its own key, with itself or 1 as the value.
  const auto row = [](int64_t t) { return Normal({1, kColumns}, "row", t); };
  const auto self = [=](int64_t t) { return std::vector<Tensor>(3, Flat(row(t))); };
  const auto to_one = [=](int64_t t) {
    return std::vector<Tensor>{Flat(row(t)), Flat(row(t)), One()};
  };
  const auto token = [](int64_t t) {
    return std::vector<Tensor>{Flat(X(t)), Flat(X(t)), Flat(D(t))};
  };
  const auto pair = [](int64_t t) { return std::pair(X(t), D(t)); };
  const auto product = [](int64_t t) { return MatMul(D(t), X(t), {.a = true}); };
  const auto orthogonal = [](const Tensor& m) {
    return Flat(NewtonSchulz(Reshape(m, {kRows, kColumns}), JordanSteps(5)));
  };
  const double keep = std::log(0.9), half = std::log(0.5);
  const Shape matrix = {kRows, kColumns}, vector = {1, kColumns};
  const RuleConfig hebbian = {"hebbian", {}, {}},
                   delta = {"titans_linear", {{"exact", 1}, {"momentum", 0}}, {}};
  const std::map<std::string, double> average = {{"log_keep", keep}, {"beta", 0.1}},
                                      erases = {{"log_keep", keep}, {"theta", 0.4}};
  return {
      {"dot_product_is_ema",
       {.rule = hebbian, .gates = average, .pair = whole},
       {Level("kind: 'ema' keep: 0.9"), matrix, G}},
      {"dot_product_through_newton_schulz_is_muon",
       {.rule = hebbian, .gates = average, .pair = whole, .output = orthogonal},
       {Level("kind: 'ema' keep: 0.9 output: NEWTON_SCHULZ"), matrix, G}},
      {"l2_on_activations_is_delta_momentum",
       {.rule = delta, .gates = erases, .pair = token, .memory = true},
       {Level("kind: 'delta_momentum' keep: 0.9 eta: 0.4"), matrix, product, pair}},
      {"l2_on_activations_through_newton_schulz_is_delta_muon",
       {.rule = delta, .gates = erases, .pair = token, .memory = true, .output = orthogonal},
       {Level("kind: 'delta_momentum' keep: 0.9 eta: 0.4 output: NEWTON_SCHULZ"), matrix, product,
        pair}},
      {"gated_delta_on_activations",
       {.rule = {"gated_delta", {}, {}},
        .gates = {{"log_keep", keep}, {"beta", 0.3}},
        .pair = token,
        .memory = true},
       {Level("kind: 'memory' rule: 'gated_delta' pairs: ACTIVATIONS "
              "gates { key: 'log_keep' value: 0.9 } gates { key: 'beta' value: 0.3 }"),
        matrix, product, pair}},
      {"dgd_is_hope_delta_momentum",
       {.rule = {"dgd", {{"dot", 1}}, {}},
        .gates = {{"log_keep", keep}, {"eta", 0.2}},
        .pair = to_one,
        .memory = true},
       {Level("kind: 'hope_delta' keep: 0.9 eta: 0.2"), vector, row}},
      {"l2_on_rows_is_a_delta_level",
       {.rule = {"delta", {}, {}}, .gates = {{"beta", 0.3}}, .pair = self},
       {Level("kind: 'memory' rule: 'delta' pairs: ROWS gates { key: 'beta' value: 0.3 }"), vector,
        row}},
      {"l2_on_an_mlp_is_deep_momentum",
       {.rule = {"titans_mlp", {{"momentum", 0}}, {{"rest", "zero"}}},
        .gates = erases,
        .pair = self},
       {Level("kind: 'deep' keep: 0.9 eta: 0.4 features: LINEAR target: SELF"), vector, row}},
      {"a_memory_of_its_own_writes_is_momentum_twice",
       {.rule = {"titans_linear", {}, {}},
        .gates = {{"log_keep", keep}, {"theta", 0.3}, {"log_eta", half}},
        .pair = whole},
       {Level("kind: 'memory' rule: 'titans_linear' gates { key: 'log_keep' value: 0.9 } "
              "gates { key: 'theta' value: 0.3 } gates { key: 'log_eta' value: 0.5 }"),
        matrix, G}},
      {"momentum_delta_is_a_level",
       {.rule = {"momentum_delta", {{"coupled", 0}, {"corrected", 0}}, {}},
        .gates = {{"log_keep", keep}, {"eta", 0.3}, {"log_mu", half}, {"beta", 0.7}},
        .pair = self},
       {Level("kind: 'memory' rule: 'momentum_delta' pairs: ROWS "
              "params { key: 'coupled' value: 0 } params { key: 'corrected' value: 0 } "
              "gates { key: 'log_keep' value: 0.9 } gates { key: 'eta' value: 0.3 } "
              "gates { key: 'log_mu' value: 0.5 } gates { key: 'beta' value: 0.7 }"),
        vector, row}},
      {"atlas_is_a_level",
       {.rule = {"atlas", {}, {}},
        .gates = {{"log_keep", keep}, {"theta", 0.2}, {"log_eta", half}, {"gamma", 0.6}},
        .pair = self},
       {Level("kind: 'memory' rule: 'atlas' pairs: ROWS "
              "gates { key: 'log_keep' value: 0.9 } gates { key: 'theta' value: 0.2 } "
              "gates { key: 'log_eta' value: 0.5 } gates { key: 'gamma' value: 0.6 }"),
        vector, row}},
  };
}

INSTANTIATE_TEST_SUITE_P(All, UnityTest, ::testing::ValuesIn(Rows()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace palimpsest
