// A tape goes through optimizer steps: gradients of the loss after three of them with respect to
// where they began, what they were told and how they were tuned, against finite differences.
#include <string>
#include <vector>

#include "core/random.h"
#include "core/tape.h"
#include "gtest/gtest.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "optim/optimizer.h"
#include "optim/testing.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

struct Case {
  std::string name, config;
  std::vector<std::string> hypers;
  std::vector<double> values;
};

class HyperGradientTest : public ::testing::TestWithParam<Case> {};

// sum (sigmoid(w) - target)^2 + sum b^2 <w, w>
Tensor Loss(const NamedTensors& p, const Tensor& target) {
  const Tensor d = Sub(Sigmoid(p.at("w")), target);
  return Add(Sum(Mul(d, d)), Sum(Mul(Mul(p.at("b"), p.at("b")), Sum(Mul(p.at("w"), p.at("w"))))));
}

TEST_P(HyperGradientTest, AgreeWithDifferences) {
  const Case& c = GetParam();
  const auto normal = [](Shape shape, const char* name) {
    return RandomNormal(std::move(shape), RandomStream(5, name), DType::kF64);
  };
  Tensors inputs = {normal({2, 3}, "w"), normal({2}, "b"), normal({2, 3}, "target")};
  for (double value : c.values) inputs.push_back(Tensor::Full({}, value, DType::kF64));
  const auto optimizer = MakeOptimizer(c.config, {{"w", inputs[0]}, {"b", inputs[1]}});
  CheckGradient(
      [&](const Tensors& x) {
        NamedTensors params = {{"w", x[0]}, {"b", x[1]}}, state = optimizer->Init(params), hypers;
        for (size_t i = 0; i < c.hypers.size(); ++i) hypers[c.hypers[i]] = x[3 + i];
        for (int step = 0; step < 3; ++step) {
          Tape inner;
          inner.Watch(params);
          NamedTensors grads = inner.Gradient(Loss(params, x[2]), params);
          UpdateResult r = optimizer->Update(params, grads, state, step, hypers);
          params = std::move(r.params), state = std::move(r.state);
        }
        return Loss(params, x[2]);
      },
      inputs, 1e-5);
}

INSTANTIATE_TEST_SUITE_P(
    All, HyperGradientTest,
    ::testing::Values(
        Case{"sgd", "name: 'sgd' weight_decay: 0.1", {"lr", "weight_decay"}, {0.3, 0.05}},
        Case{"momentum",
             "name: 'sgd' momentum: 0.5 dampening: 0.1",
             {"lr", "momentum", "dampening"},
             {0.2, 0.8, 0.2}},
        Case{"nesterov_clipped",
             "name: 'sgd' momentum: 0.5 nesterov: true clip_norm: 0.7",
             {"lr", "momentum"},
             {0.2, 0.8}},
        Case{"adamw",
             "lr: 0.1 schedule { warmup_steps: 2 }",
             {"lr", "beta1", "beta2", "weight_decay"},
             {0.1, 0.7, 0.9, 0.1}},
        Case{"muon", "name: 'muon' lr: 0.1 auxiliary { lr: 0.1 }", {"momentum"}, {0.8}}),
    [](const auto& info) { return info.param.name; });

// A weight whose gradient is always zero moves by decay alone and has finite gradients.
TEST(HyperGradient, OfAWeightWithoutGradientIsFinite) {
  const Tensor lr = Tensor::Full({}, 0.1, DType::kF64),
               w = Tensor::FromVector({1, 2}, {1.0, 2.0}, DType::kF64);
  const auto optimizer = MakeOptimizer("weight_decay: 0.5", {{"w", w}});
  Tape tape;
  tape.Watch(lr);
  const NamedTensors grads = {{"w", Tensor::FromVector({1, 2}, {0.0, 1.0}, DType::kF64)}};
  const UpdateResult r =
      optimizer->Update({{"w", w}}, grads, optimizer->Init({{"w", w}}), 0, {{"lr", lr}});
  EXPECT_TRUE(AllFinite(r.params.at("w")));
  // -(weight_decay w + mhat / (sqrt(vhat) + eps)), summed.
  EXPECT_NEAR(tape.Gradient(Sum(r.params.at("w")), {lr})[0].Item(), -(0.5 * 3.0 + 1.0), 1e-7);
}

}  // namespace
}  // namespace palimpsest
