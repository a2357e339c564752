// A tape goes through optimizer steps: gradients of the loss after three of them with respect to
// where they began, what they were told and how they were tuned, against finite differences.
#include <string>
#include <vector>

#include "core/random.h"
#include "core/tape.h"
#include "gtest/gtest.h"
#include "ops/elementwise.h"
#include "ops/linalg.h"
#include "ops/reduce.h"
#include "optim/optimizer.h"
#include "optim/settings.h"
#include "optim/testing.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

constexpr int64_t kTokens = 4;

// An optimizer that trains w [2, 3] of a linear layer; all of its continuous hyper-parameters are
// watched.
struct Case {
  std::string name, config;
};

class HyperGradientTest : public ::testing::TestWithParam<Case> {};

// The mean over tokens of |sigmoid(x w^T) - target|^2, and <b^2, b^2> |w|^2.
Tensor Loss(const NamedTensors& p, const Tensor& x, const Tensor& target) {
  const Tensor d = Sub(Sigmoid(MatMul(x, p.at("w"), {.b = true})), target);
  const Tensor b = Mul(p.at("b"), p.at("b"));
  return Add(Mul(Sum(Mul(d, d)), 1.0 / kTokens),
             Mul(Mul(Sum(Mul(b, b)), Sum(Mul(p.at("w"), p.at("w")))), 0.1));
}

// Of the optimizer that trains w, those that are no count, choice or switch.
NamedTensors ContinuousHypers(const std::string& text) {
  const OptimizerConfig config = ParseConfig(text);
  const auto settings = MainSettings(config);
  const auto specs = HypersOf(config, "optimizer");
  PALIMPSEST_CHECK(settings.ok() && specs.ok()) << text;
  NamedTensors hypers;
  for (const HyperSpec& spec : *specs) {
    using Range = HyperSpec::Range;
    if (spec.range == Range::kAny || spec.range == Range::kAtLeast1 || spec.name == "eps") continue;
    hypers[spec.name] = Tensor::Full({}, settings->hypers.at(spec.name), DType::kF64);
  }
  return hypers;
}

TEST_P(HyperGradientTest, AgreeWithDifferences) {
  const Case& c = GetParam();
  const auto normal = [](Shape shape, const std::string& name) {
    return RandomNormal(std::move(shape), RandomStream(5, name), DType::kF64);
  };
  const NamedTensors params = {{"w", normal({2, 3}, "w")}, {"b", normal({2}, "b")}};
  const auto optimizer = MakeOptimizer(c.config, params);
  // Where training begins: weights, what the levels remember, hyper-parameters.
  NamedTensors start = {{"x", normal({kTokens, 3}, "x")}, {"target", normal({kTokens, 2}, "t")}};
  for (const auto& [name, p] : params) start["param " + name] = p;
  for (const auto& [name, h] : ContinuousHypers(c.config)) start["hyper " + name] = h;
  for (const auto& [name, s] : optimizer->Init(params)) {
    if (s.rank() > 0 && name.rfind("w.m", 0) == 0)
      start["state " + name] = Add(s, Mul(normal(s.shape(), name), 0.1));
  }
  Tensors inputs;
  for (const auto& [name, x] : start) inputs.push_back(x);
  CheckGradient(
      [&](const Tensors& x) {
        NamedTensors given = start, params, hypers, state;
        size_t i = 0;
        for (auto& [name, value] : given) value = x[i++];
        for (const auto& [name, value] : given) {
          if (name.rfind("param ", 0) == 0) params[name.substr(6)] = value;
          if (name.rfind("hyper ", 0) == 0) hypers[name.substr(6)] = value;
        }
        state = optimizer->Init(params);
        for (auto& [name, value] : state) {
          if (given.contains("state " + name)) value = given.at("state " + name);
        }
        for (int step = 0; step < 3; ++step) {
          const auto tap = optimizer->Listen(params, state, step, kTokens, hypers);
          NamedTensors grads;
          {
            Tape inner;
            inner.Watch(params);
            grads = inner.Gradient(Loss(params, given.at("x"), given.at("target")), params);
          }
          UpdateResult r = optimizer->Update(params, grads, state, step, hypers, tap.get());
          params = std::move(r.params), state = std::move(r.state);
        }
        return Loss(params, given.at("x"), given.at("target"));
      },
      inputs, 1e-5);
}

INSTANTIATE_TEST_SUITE_P(
    All, HyperGradientTest,
    ::testing::Values(
        Case{"sgd", "name: 'sgd' momentum: 0.01 weight_decay: 0.1"},
        Case{"momentum", "name: 'momentum' lr: 0.2 dampening: 0.1"},
        Case{"nesterov_clipped", "name: 'sgd' momentum: 0.5 nesterov: true clip_norm: 0.7"},
        Case{"adamw", "lr: 0.1 beta1: 0.7 beta2: 0.9 schedule { warmup_steps: 2 }"},
        Case{"lion", "name: 'lion' lr: 0.1"}, Case{"muon", "name: 'muon' lr: 0.1 momentum: 0.8"},
        Case{"normuon", "name: 'normuon' lr: 0.1"}, Case{"adamuon", "name: 'adamuon' lr: 0.1"},
        Case{"m3", "name: 'm3' lr: 0.01 period: 2 beta1: 0.8"},
        Case{"m3_as_printed", "name: 'm3' lr: 0.01 period: 2 as_printed: true"},
        Case{"delta_sgd", "name: 'delta_sgd' lr: 0.3 momentum: 0.9"},
        Case{"delta_sgd_direct", "name: 'delta_sgd' lr: 0.3 momentum: 0.9 contraction: DIRECT"},
        Case{"delta_adamw", "name: 'delta_adamw' lr: 0.1 beta1: 0.8 beta2: 0.9 clip_norm: 0.1"},
        Case{"delta_adamw_keys",
             "name: 'delta_adamw' lr: 0.1 beta2: 0.9 second_moment: NORMALIZED_KEYS"},
        Case{"delta_muon", "name: 'delta_muon' lr: 0.1 momentum: 0.8"},
        Case{"dmgd", "name: 'dmgd' lr: 0.3 momentum: 0.95"},
        Case{"am_mgd", "name: 'am_mgd' lr: 0.3 weight_decay: 0.1"},
        Case{"am_mgd_per_tensor", "name: 'am_mgd' lr: 0.3 per_tensor: true"},
        Case{"am_adamw", "name: 'am_adamw' lr: 0.1 beta2: 0.9 schedule { warmup_steps: 2 }"},
        Case{"dgd", "name: 'dgd' lr: 0.3 weight_decay: 0.1"},
        Case{"ema_features", "name: 'chain' lr: 0.3 level { kind: 'ema' features: TANH }"},
        Case{"hope_delta",
             "name: 'chain' lr: 0.3 level { kind: 'hope_delta' preconditioner: ROW_NORM }"},
        Case{"hope_delta_scalar",
             "name: 'chain' lr: 0.3 level { kind: 'hope_delta' reading: SCALAR eta: 0.5 }"},
        Case{"hope_delta_vector",
             "name: 'chain' lr: 0.3 level { kind: 'hope_delta' reading: VECTOR features: CUBE }"},
        Case{"deep_entries", "name: 'chain' lr: 0.3 level { kind: 'deep' pairs: ENTRIES }"},
        Case{"chained",
             "name: 'chain' lr: 0.3 second_moment: UPDATE level { kind: 'delta_momentum' } "
             "level { kind: 'ema' nesterov: true corrected: true output: NEWTON_SCHULZ }"},
        Case{"activation_features",
             "name: 'chain' lr: 0.3 level { kind: 'delta_momentum' features: TANH }"},
        Case{"summed",
             "name: 'chain' lr: 0.3 summed: true level { kind: 'none' weight: 0.5 } "
             "level { kind: 'ema' period: 2 weight: 2 output: ROW_UNIT }"},
        Case{"any_rule",
             "name: 'chain' lr: 0.3 level { kind: 'memory' rule: 'yaad' pairs: ROWS "
             "gates { key: 'theta' value: 0.2 } gates { key: 'log_keep' value: 0.9 } }"}),
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
