// Adaptive memory: what beta comes to, and where its fraction has nothing to divide (Topollai &
// Choromanska 2025). With a rate of 1 the step is the direction.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "optim/optimizer.h"
#include "optim/testing.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

constexpr double kLambda = 0.1, kMost = 0.9;
constexpr double kLeastKept = kLambda / (1 + kLambda),
                 kMostKept = (kMost + kLambda) / (1 + kLambda);

double Dot(const Tensor& a, const Tensor& b) { return Sum(Mul(a, b)).Item(); }

Tensor Vector(std::vector<double> values) {
  const auto n = static_cast<int64_t>(values.size());
  return Tensor::FromVector({1, n}, values, DType::kF64);
}

Tensor Gradient(int step) {
  const double t = step;
  return Vector({std::cos(t), std::sin(2 * t), 0.3 * std::cos(3 * t)});
}

// One parameter "w", stepped with gradients of the caller's choice.
class Walk {
 public:
  explicit Walk(const std::string& config, Tensor w = Vector({0, 0, 0}))
      : optimizer_(MakeOptimizer(config, {{"w", w}})), params_({{"w", w}}) {
    state_ = optimizer_->Init(params_);
  }

  // What w went down by.
  Tensor Step(const Tensor& g, double lr = 1.0) {
    const Tensor before = params_.at("w");
    UpdateResult r = optimizer_->Update(params_, {{"w", g}}, state_, step_++,
                                        {{"lr", Tensor::Full({}, lr, DType::kF64)}});
    params_ = r.params, state_ = r.state;
    return Sub(before, params_.at("w"));
  }

  const Tensor& w() const { return params_.at("w"); }
  // Continues with copies of parameters and state, in a new optimizer.
  void Reload(const std::string& config) {
    params_ = DeepCopy(params_), state_ = DeepCopy(state_);
    optimizer_ = MakeOptimizer(config, params_);
  }

 private:
  std::unique_ptr<Optimizer> optimizer_;
  NamedTensors params_, state_;
  int64_t step_ = 0;
};

// The share of the old direction in the new one, kept d + (1 - kept) g.
double Kept(const Tensor& direction, const Tensor& g, const Tensor& d) {
  const Tensor apart = Sub(d, g);
  return Dot(Sub(direction, g), apart) / Dot(apart, apart);
}

// beta_eff = |g|^2 / |d - g|^2 inside its interval, which both ends of are reached.
TEST(AmMgd, KeepsTheRatioOfSquares) {
  Walk walk("name: 'am_mgd'");
  Tensor d = walk.Step(Vector({1.0, -0.5, 0.3}));
  EXPECT_LT(Distance(d, Vector({1.0, -0.5, 0.3})), 1e-15);
  int inside = 0, least = 0, most = 0;
  for (int step = 0; step < 90; ++step) {
    const double size = step % 3 == 0 ? 0.05 : step % 3 == 1 ? 0.8 : 2.0;
    const Tensor g = Vector(
        {size * std::cos(step * 1.7), size * std::sin(step * 2.3), size * std::cos(step * 0.9)});
    const Tensor apart = Sub(d, g);
    const double ratio = Dot(g, g) / Dot(apart, apart),
                 want = std::clamp(ratio, kLeastKept, kMostKept);
    const Tensor next = walk.Step(g);
    EXPECT_NEAR(Kept(next, g, d), want, 1e-12) << step;
    ++(want == kLeastKept ? least : want == kMostKept ? most : inside);
    d = next;
  }
  EXPECT_GT(inside, 5);
  EXPECT_GT(least, 5);
  EXPECT_GT(most, 5);
}

TEST(AmMgd, StaysWhereGradientAndMemoryAgree) {
  Walk walk("name: 'am_mgd'");
  const Tensor g = Vector({1.0, -0.5, 0.3});
  for (int step = 0; step < 4; ++step) EXPECT_LT(Distance(walk.Step(g), g), 1e-14) << step;
}

TEST(AmMgd, ForgetsMostWithoutAGradient) {
  Walk walk("name: 'am_mgd'");
  Tensor d = walk.Step(Vector({1.0, -0.5, 0.3}));
  for (int step = 0; step < 3; ++step) {
    const Tensor next = walk.Step(Vector({0, 0, 0}));
    EXPECT_LT(Distance(next, Mul(d, kLeastKept)), 1e-12);
    d = next;
  }
}

TEST(AmMgd, NothingAtFirstIsNothing) {
  Walk walk("name: 'am_mgd'");
  for (int step = 0; step < 2; ++step) {
    const Tensor none = walk.Step(Vector({0, 0, 0}));
    EXPECT_EQ(none.ToVector(), std::vector<double>(3, 0.0));
  }
  // Of a memory of nothing, as much is kept as may be.
  const Tensor g = Vector({1, 2, 3});
  EXPECT_LT(Distance(walk.Step(g), Mul(g, 1 - kMostKept)), 1e-14);
}

// <g, d> <= 0: the memory keeps at most |g|^2 / (|g|^2 + |d|^2).
TEST(AmMgd, ForgetsWhatTheGradientContradicts) {
  for (double along : {0.0, -0.4, -2.0}) {
    Walk walk("name: 'am_mgd'");
    const Tensor d = Vector({1, 0, 0}), g = Vector({along, 0.8, 0.1});
    walk.Step(d);
    const double kept = Kept(walk.Step(g), g, d);
    EXPECT_LE(kept, Dot(g, g) / (Dot(g, g) + Dot(d, d)) + 1e-14) << along;
    EXPECT_GE(kept, kLeastKept);
  }
}

// One beta for the whole model, or one for each tensor.
TEST(AmMgd, MeasuresTheModelOrEachTensor) {
  const NamedTensors params = {{"a", Vector({0, 0})}, {"b", Vector({0, 0, 0})}};
  const NamedTensors first = {{"a", Vector({1, 0})}, {"b", Vector({0, 2, 0})}};
  const NamedTensors second = {{"a", Vector({-0.5, 0.7})}, {"b", Vector({0.4, 0.3, 1})}};
  for (bool per_tensor : {false, true}) {
    const auto optimizer =
        MakeOptimizer(absl::StrCat("name: 'am_mgd' lr: 1 per_tensor: ", per_tensor), params);
    const UpdateResult one = optimizer->Update(params, first, optimizer->Init(params), 0),
                       two = optimizer->Update(one.params, second, one.state, 1);
    double squares = 0.0, apart = 0.0;
    const auto add = [&](const std::string& name) {
      const Tensor e = Sub(first.at(name), second.at(name));
      squares += Dot(second.at(name), second.at(name)), apart += Dot(e, e);
    };
    if (!per_tensor) add("a"), add("b");
    for (const std::string name : {"a", "b"}) {
      if (per_tensor) squares = apart = 0.0, add(name);
      const Tensor direction = Sub(one.params.at(name), two.params.at(name));
      EXPECT_NEAR(Kept(direction, second.at(name), first.at(name)),
                  std::clamp(squares / apart, kLeastKept, kMostKept), 1e-12)
          << name << per_tensor;
    }
  }
}

// A group may measure its tensors one by one beside a model that is measured whole.
TEST(AmMgd, MeasuresEachTensorOfAGroupThatSaysSo) {
  const NamedTensors params = {{"a", Vector({0, 0})}, {"b", Vector({0, 0})}, {"c", Vector({0, 0})}};
  const NamedTensors first = {{"a", Vector({1, 0})}, {"b", Vector({0, 2})}, {"c", Vector({1, 1})}};
  const NamedTensors second = {
      {"a", Vector({-0.5, 0.7})}, {"b", Vector({0.4, 0.3})}, {"c", Vector({-0.2, 0.8})}};
  const auto both =
      MakeOptimizer("name: 'am_mgd' lr: 1 group { match: 'c' set { per_tensor: true } }", params);
  const auto run = [&](const Optimizer& optimizer, const std::vector<std::string>& names) {
    NamedTensors p, g1, g2;
    for (const auto& name : names)
      p[name] = params.at(name), g1[name] = first.at(name), g2[name] = second.at(name);
    const UpdateResult one = optimizer.Update(p, g1, optimizer.Init(p), 0);
    return optimizer.Update(one.params, g2, one.state, 1).params;
  };
  const NamedTensors together = run(*both, {"a", "b", "c"});
  const auto whole = MakeOptimizer("name: 'am_mgd' lr: 1",
                                   {{"a", params.at("a")}, {"b", params.at("b")}}),
             alone = MakeOptimizer("name: 'am_mgd' lr: 1", {{"c", params.at("c")}});
  const NamedTensors ab = run(*whole, {"a", "b"}), c = run(*alone, {"c"});
  EXPECT_LT(Distance(together.at("a"), ab.at("a")), 1e-15);
  EXPECT_LT(Distance(together.at("b"), ab.at("b")), 1e-15);
  EXPECT_LT(Distance(together.at("c"), c.at("c")), 1e-15);
}

// The directions do not depend on the rate, only how far they are followed.
TEST(AmMgd, DirectionsDoNotSeeTheRate) {
  Walk steady("name: 'am_mgd'"), changing("name: 'am_mgd'");
  const std::vector<double> rates = {1, 0.1, 0, 3};
  for (size_t step = 0; step < rates.size(); ++step) {
    const Tensor g = Gradient(static_cast<int>(step)), d = steady.Step(g);
    EXPECT_LT(Distance(Add(changing.Step(g, rates[step]), 1.0), Add(Mul(d, rates[step]), 1.0)),
              1e-14);
  }
}

// The trap an average of 0.9 falls into: the first step ends at the minimum, and the memory of it
// leads away.
TEST(AmMgd, LeavesAStaleMemoryBehind) {
  const auto farthest = [](const std::string& config) {
    Walk walk(config, Vector({2.01, 1.5}));
    double farthest = 0.0;
    for (int step = 0; step < 10; ++step) {
      const std::vector<double> w = walk.w().ToVector();
      const double u = 1 - std::cos(M_PI * w[0]);
      walk.Step(Vector({w[0] + u * M_PI * std::sin(M_PI * w[0]), w[1]}));
      const std::vector<double> next = walk.w().ToVector();
      farthest = std::max(farthest, std::hypot(next[0], next[1]));
    }
    return farthest;
  };
  EXPECT_LT(farthest("name: 'am_mgd'"), 0.25);
  EXPECT_GT(farthest("name: 'sgd' momentum: 0.9 dampening: 0.9"), 1.0);
}

class AdaptiveMemory : public ::testing::TestWithParam<std::string> {
 protected:
  static std::string Config() { return absl::StrCat("name: '", GetParam(), "'"); }
};

TEST_P(AdaptiveMemory, RestsWhileTheRateIsZero) {
  Walk walk(Config(), Vector({1, -2, 3}));
  walk.Step(Gradient(0), 0.1);
  for (int step = 1; step < 4; ++step) {
    const Tensor w = walk.w();
    walk.Step(Gradient(step), 0.0);
    EXPECT_EQ(walk.w().ToVector(), w.ToVector());
  }
  const double moved = Dot(walk.Step(Gradient(4), 0.1), Gradient(4));
  EXPECT_TRUE(std::isfinite(moved));
  EXPECT_NE(moved, 0.0);
}

TEST_P(AdaptiveMemory, ResumesAfterTheRateChanged) {
  Walk whole(Config(), Vector({1, -2, 3})), resumed = Walk(Config(), Vector({1, -2, 3}));
  for (int step = 0; step < 12; ++step) {
    const double lr = step < 5 ? 0.1 : 0.02;
    if (step == 5) resumed.Reload(Config());
    whole.Step(Gradient(step), lr), resumed.Step(Gradient(step), lr);
    EXPECT_TRUE(SameBits(whole.w(), resumed.w())) << step;
  }
}

INSTANTIATE_TEST_SUITE_P(All, AdaptiveMemory, ::testing::Values("am_mgd", "am_adamw"),
                         [](const auto& info) { return info.param; });

// With lambda 0 the first step is AdamW's.
TEST(AmAdamw, BeginsAsAdamw) {
  const std::string values = " lr: 0.1 weight_decay: 0.3 eps: 1e-4";
  Walk adaptive("name: 'am_adamw' lambda: 0" + values, Vector({1, -2, 3})),
      fixed("name: 'adamw'" + values, Vector({1, -2, 3}));
  const Tensor g = Vector({0.3, 2, -1e-3});
  EXPECT_LT(Distance(adaptive.Step(g, 0.1), fixed.Step(g, 0.1)), 1e-12);
}

// With lambda and decay 0 and in the metric 1 / P, beta is
//   ((lr before / lr) <g, d> - <d - g, g>) / |d - g|^2
// as far as beta1, which at a steady rate is |g|^2 / |d - g|^2; without the gap where lr is 0.
TEST(AmAdamw, KeepsTheRatioOfSquaresInItsMetric) {
  constexpr double kBeta1 = 0.89, kBeta2 = 0.999, kEps = 1e-8;
  Walk walk("name: 'am_adamw' lambda: 0 weight_decay: 0");
  std::vector<double> d(3, 0.0), v(3, 0.0);
  const std::vector<double> rates = {0.1, 0.1, 0.1, 0.05, 0.2, 0.0};
  double product = 1.0, lr_before = 0.0;
  int inside = 0;
  for (int step = 0; step < 36; ++step) {
    const double lr = rates[step % rates.size()];
    const std::vector<double> g = Mul(Gradient(step), step % 4 == 0 ? 0.1 : 1.0).ToVector();
    std::vector<double> scale(3);
    double gap = 0.0, plane = 0.0, apart = 0.0;
    for (int i = 0; i < 3; ++i) {
      v[i] = kBeta2 * v[i] + (1 - kBeta2) * g[i] * g[i];
      scale[i] =
          (1 - kBeta1 * product) * (std::sqrt(v[i] / (1 - std::pow(kBeta2, step + 1))) + kEps);
      gap += g[i] * d[i] / scale[i];
      plane += (d[i] - g[i]) * g[i] / scale[i];
      apart += (d[i] - g[i]) * (d[i] - g[i]) / scale[i];
    }
    const double height = lr > 0 ? lr_before / lr * gap : 0.0;
    const double beta = step == 0 ? kBeta1 : std::clamp((height - plane) / apart, 0.0, kBeta1);
    inside += beta > 0.0 && beta < kBeta1;
    const std::vector<double> moved = walk.Step(Vector(g), lr).ToVector();
    for (int i = 0; i < 3; ++i) {
      d[i] = beta * d[i] + (1 - beta) * g[i];
      EXPECT_NEAR(moved[i], lr * d[i] / scale[i], 1e-12) << step;
    }
    product *= beta, lr_before = lr;
  }
  EXPECT_GT(inside, 5);
}

}  // namespace
}  // namespace palimpsest
