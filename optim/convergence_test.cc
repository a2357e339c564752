// Every optimizer on four problems in two unknowns, the weight W [1, 2] of a linear layer: a
// matrix, so that optimizers of matrices apply, with tokens, so that those keyed on activations do.
// A problem is a function of the layer's outputs y_i = W x_i.
#include <algorithm>
#include <cmath>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "ops/linalg.h"
#include "optim/optimizer.h"
#include "optim/optimizers.h"
#include "optim/testing.h"

namespace palimpsest {
namespace {

constexpr int kSteps = 3000;

struct Problem {
  std::string name;
  std::vector<double> x;  // Two tokens, one after the other.
  std::vector<double> start;
  // The loss and its gradient at the two outputs.
  std::function<double(double y0, double y1, double d[2])> loss;
};

// |W X^T|^2 / 4 with X^T X / 2 = R diag(50, 1) R^T: condition number 50, turned by half a radian.
Problem Quadratic() {
  const double c = std::cos(0.5), s = std::sin(0.5), root = std::sqrt(2.0);
  return {.name = "quadratic",
          .x = {10.0 * c, 10.0 * s, -root * s, root * c},
          .start = {3.0, -2.0},
          .loss = [](double y0, double y1, double d[2]) {
            d[0] = y0 / 2, d[1] = y1 / 2;
            return (y0 * y0 + y1 * y1) / 4;
          }};
}

// (1 - a)^2 + 100 (b - a^2)^2; here and below the outputs are W's entries.
Problem Rosenbrock() {
  return {.name = "rosenbrock",
          .x = {1, 0, 0, 1},
          .start = {0.0, 0.0},
          .loss = [](double a, double b, double d[2]) {
            const double e = b - a * a;
            d[0] = -2 * (1 - a) - 400 * a * e, d[1] = 200 * e;
            return (1 - a) * (1 - a) + 100 * e * e;
          }};
}

// (a^2 + b^2) / 2 + (1 - cos(pi a))^2 / 2. The first of plain descent's steps at rate 1 ends at the
// minimum; a momentum of 0.9 then leaves it. There are others at a = +-1.639.
Problem StaleMemoryTrap() {
  return {.name = "stale_memory_trap",
          .x = {1, 0, 0, 1},
          .start = {2.01, 1.5},
          .loss = [](double a, double b, double d[2]) {
            const double u = 1 - std::cos(M_PI * a);
            d[0] = a + u * M_PI * std::sin(M_PI * a), d[1] = b;
            return (a * a + b * b + u * u) / 2;
          }};
}

// r^2 + k (r - th + a sin(w r))^2, from HOPE's start (Nested Learning, Fig. 4), which does not
// print the constants: here k = 4, a = 1, w = 2.
Problem NestedLearningToy() {
  return {.name = "nested_learning_toy",
          .x = {1, 0, 0, 1},
          .start = {-3.5, 2.0},
          .loss = [](double r, double th, double d[2]) {
            const double e = r - th + std::sin(2 * r);
            d[0] = 2 * r + 8 * e * (1 + 2 * std::cos(2 * r)), d[1] = -8 * e;
            return r * r + 4 * e * e;
          }};
}

struct Row {
  std::string optimizer;
  std::vector<double> lr;  // Of each problem, above; a cosine takes it to 0.
  // Delta gradient descent makes W x_i equal to minus the gradient there: what it minimises has
  // sum |y_i|^2 / 4 more.
  bool shrinks_outputs = false;
};

std::vector<Row> Rows() {
  return {{"sgd", {0.02, 0.005, 0.5, 0.02}},
          {"momentum", {0.02, 0.002, 0.05, 0.02}},
          {"adamw", {1, 0.05, 0.2, 2}},
          {"lion", {0.02, 0.005, 0.01, 0.05}},
          {"muon", {0.02, 0.01, 0.02, 0.05}},
          {"normuon", {0.02, 0.01, 0.02, 0.05}},
          {"adamuon", {0.2, 0.05, 0.02, 0.1}},
          {"m3", {0.5, 0.01, 0.01, 0.5}},
          {"delta_sgd", {0.5, 0.01, 0.2, 0.1}},
          {"delta_adamw", {1, 0.005, 0.05, 0.5}},
          {"delta_muon", {0.05, 0.01, 0.01, 0.05}},
          {"am_mgd", {0.1, 0.05, 0.2, 0.2}},
          {"am_adamw", {1, 0.5, 0.2, 2}},
          {"dgd", {1, 0.005, 1, 0.02}, true},
          {"dmgd", {0.02, 0.05, 0.01, 0.05}}};
}

void PrintTo(const Row& row, std::ostream* os) { *os << row.optimizer; }

std::vector<Problem> Problems() {
  return {Quadratic(), Rosenbrock(), StaleMemoryTrap(), NestedLearningToy()};
}

class Converges : public ::testing::TestWithParam<Row> {};

// A problem at some W.
struct Point {
  double value = 0.0;
  Tensor d = {};
  double gradient = 0.0;  // Its norm.
};

Point At(const Problem& problem, const Tensor& w, bool shrinks_outputs) {
  const std::vector<double> y =
      MatMul(Tensor::FromVector({2, 2}, problem.x, DType::kF64), w, {.b = true}).ToVector();
  double d[2];
  Point point{.value = problem.loss(y[0], y[1], d)};
  point.d = Tensor::FromVector({2, 1}, {d[0], d[1]}, DType::kF64);
  if (shrinks_outputs) {
    point.value += (y[0] * y[0] + y[1] * y[1]) / 4;
    d[0] += y[0] / 2, d[1] += y[1] / 2;
  }
  const std::vector<double>& x = problem.x;
  point.gradient = std::hypot(d[0] * x[0] + d[1] * x[2], d[0] * x[1] + d[1] * x[3]);
  return point;
}

TEST_P(Converges, ToAMinimum) {
  const Row& row = GetParam();
  const std::vector<Problem> problems = Problems();
  for (size_t i = 0; i < problems.size(); ++i) {
    const Problem& problem = problems[i];
    const Tensor x = Tensor::FromVector({2, 2}, problem.x, DType::kF64);
    NamedTensors params = {{"w", Tensor::FromVector({1, 2}, problem.start, DType::kF64)}};
    const auto optimizer =
        MakeOptimizer(absl::StrCat("name: '", row.optimizer, "' weight_decay: 0 lr: ", row.lr[i],
                                   " schedule { kind: COSINE total_steps: ", kSteps, " }"),
                      params);
    NamedTensors state = optimizer->Init(params);
    const Point start = At(problem, params.at("w"), row.shrinks_outputs);
    for (int step = 0; step < kSteps; ++step) {
      const Pass pass{.layers = {{"w", {x, At(problem, params.at("w"), false).d}}}};
      UpdateResult r = UpdateAfter({pass}, *optimizer, std::move(params), std::move(state), step);
      params = std::move(r.params), state = std::move(r.state);
    }
    const Point end = At(problem, params.at("w"), row.shrinks_outputs);
    EXPECT_LT(end.gradient, 0.05 * start.gradient) << problem.name;
    EXPECT_LT(end.value, 0.5 * start.value) << problem.name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Converges, ::testing::ValuesIn(Rows()),
                         [](const auto& info) { return info.param.optimizer; });

TEST(Convergence, OfEveryOptimizer) {
  std::vector<std::string> names, rows;
  for (const auto& [name, spec] : OptimizerSpecs()) names.push_back(name);
  for (const Row& row : Rows()) rows.push_back(row.optimizer);
  std::sort(rows.begin(), rows.end());
  EXPECT_EQ(rows, names);
}

}  // namespace
}  // namespace palimpsest
