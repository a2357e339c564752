#include "optim/optimizer.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/parallel.h"
#include "gtest/gtest.h"
#include "ops/elementwise.h"
#include "optim/testing.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

NamedTensors Params(DType dtype = DType::kF32) {
  return RandomTensors({{"embedding.weight", Tensor::Empty({5, 4}, dtype)},
                        {"blocks.0.q.weight", Tensor::Empty({4, 6}, dtype)},
                        {"blocks.0.q.bias", Tensor::Empty({4}, dtype)},
                        {"head.weight", Tensor::Empty({5, 4}, dtype)}},
                       1);
}

// Each optimizer, with groups, a schedule and clipping.
class OptimizerTest : public ::testing::TestWithParam<std::string> {
 protected:
  static std::string Config() {
    return "name: '" + GetParam() + "' " + (GetParam() == "sgd" ? "momentum: 0.9 " : "") +
           "clip_norm: 1 schedule { kind: WSD warmup_steps: 2 total_steps: 10 decay_steps: 4 } "
           "group { match: 'head.*' lr_factor: 0.5 }";
  }

  static UpdateResult Steps(UpdateResult from, int begin, int end) {
    const auto optimizer = MakeOptimizer(Config(), from.params);
    for (int step = begin; step < end; ++step) {
      NamedTensors grads = RandomTensors(from.params, 100 + step);
      from =
          optimizer->Update(std::move(from.params), std::move(grads), std::move(from.state), step);
    }
    return from;
  }

  static UpdateResult Start(DType dtype = DType::kF32) {
    NamedTensors params = Params(dtype), state = MakeOptimizer(Config(), params)->Init(params);
    return {.params = std::move(params), .state = std::move(state)};
  }
};

void ExpectSameBits(const NamedTensors& a, const NamedTensors& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, x] : a) EXPECT_TRUE(SameBits(x, b.at(name))) << name;
}

TEST_P(OptimizerTest, ResumesWithTheSameBits) {
  const UpdateResult whole = Steps(Start(), 0, 10);
  UpdateResult half = Steps(Start(), 0, 5);
  const UpdateResult resumed =
      Steps({.params = DeepCopy(half.params), .state = DeepCopy(half.state)}, 5, 10);
  ExpectSameBits(resumed.params, whole.params);
  ExpectSameBits(resumed.state, whole.state);
}

TEST_P(OptimizerTest, SameBitsForAnyNumberOfThreads) {
  const int threads = NumThreads();
  SetNumThreads(1);
  const UpdateResult one = Steps(Start(), 0, 3);
  SetNumThreads(3);
  const UpdateResult three = Steps(Start(), 0, 3);
  SetNumThreads(threads);
  ExpectSameBits(one.params, three.params);
}

TEST_P(OptimizerTest, StateKeepsNamesShapesAndDTypes) {
  for (DType dtype : {DType::kF64, DType::kF32, DType::kBf16}) {
    const UpdateResult start = Start(dtype), end = Steps(Start(dtype), 0, 2);
    ASSERT_EQ(start.state.size(), end.state.size());
    for (const auto& [name, x] : start.state) {
      EXPECT_EQ(Describe(end.state.at(name)), Describe(x)) << name;
      EXPECT_EQ(x.dtype(), dtype == DType::kF64 ? DType::kF64 : DType::kF32) << name;
    }
    for (const auto& [name, x] : start.params)
      EXPECT_EQ(Describe(end.params.at(name)), Describe(x)) << name;
  }
}

// What rounds away in bf16 adds up in the master copy.
TEST_P(OptimizerTest, Bf16ParametersHaveAMasterCopy) {
  UpdateResult r = Start(DType::kBf16);
  const NamedTensors start = DeepCopy(r.state);
  const auto optimizer = MakeOptimizer(
      "name: '" + GetParam() +
          "' lr: 1e-6 weight_decay: 0 group { match: '*' set { lr: 1e-6 weight_decay: 0 } }",
      r.params);
  r.state = optimizer->Init(r.params);
  const std::string name = "blocks.0.q.weight";
  const Tensor before = r.params.at(name);
  for (int step = 0; step < 3; ++step)
    r = optimizer->Update(r.params, RandomTensors(r.params, step), r.state, step);
  EXPECT_TRUE(SameBits(r.params.at(name), before));
  const double moved = Distance(r.state.at(name + ".master"), start.at(name + ".master"));
  EXPECT_GT(moved, 1e-8);
  EXPECT_LT(moved, 1e-4);
}

TEST_P(OptimizerTest, ReducesAQuadratic) {
  UpdateResult r = Start();
  const auto optimizer = MakeOptimizer(
      "name: '" + GetParam() + "' group { match: '*' set { lr: 0.05 weight_decay: 0 } }", r.params);
  r.state = optimizer->Init(r.params);
  double first = 0.0, last = 0.0;
  for (int step = 0; step < 60; ++step) {
    r = optimizer->Update(r.params, r.params, r.state, step);
    if (step == 0) first = r.grad_norm;
    last = r.grad_norm;
  }
  EXPECT_LT(last, 0.35 * first);
}

TEST_P(OptimizerTest, GradientsThatAreNotFiniteChangeNothing) {
  const UpdateResult start = Start();
  const auto optimizer = MakeOptimizer(Config(), start.params);
  for (double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    NamedTensors grads = RandomTensors(start.params, 1);
    grads["blocks.0.q.weight"].mutable_data<float>()[3] = static_cast<float>(bad);
    const UpdateResult r = optimizer->Update(start.params, std::move(grads), start.state, 0);
    EXPECT_EQ(r.non_finite, "blocks.0.q.weight");
    EXPECT_FALSE(std::isfinite(r.grad_norm));
    ExpectSameBits(r.params, start.params);
    ExpectSameBits(r.state, start.state);
  }
}

INSTANTIATE_TEST_SUITE_P(All, OptimizerTest, ::testing::Values("sgd", "adamw", "muon"),
                         [](const auto& info) { return info.param; });

TEST(Optimizer, FrozenParametersNeedNoGradientAndHaveNoState) {
  const NamedTensors params = Params();
  const auto optimizer = MakeOptimizer("group { match: 'blocks.*' frozen: true }", params);
  const NamedTensors state = optimizer->Init(params);
  for (const auto& [name, x] : state) EXPECT_EQ(name.find("blocks."), std::string::npos) << name;
  NamedTensors grads = RandomTensors(params, 1);
  const double norm =
      std::sqrt(std::pow(Distance(grads["head.weight"], Mul(grads["head.weight"], 2.0)), 2));
  EXPECT_EQ(norm, 0.5);
  const UpdateResult all = optimizer->Update(params, grads, state, 0);
  grads.erase("blocks.0.q.weight");
  const UpdateResult without = optimizer->Update(params, grads, state, 0);
  EXPECT_EQ(all.grad_norm, without.grad_norm);
  ExpectSameBits(all.params, without.params);
  EXPECT_TRUE(SameBits(all.params.at("blocks.0.q.weight"), params.at("blocks.0.q.weight")));
  EXPECT_FALSE(SameBits(all.params.at("head.weight"), params.at("head.weight")));
}

TEST(Optimizer, ReportsTheBaseRateOfTheStep) {
  const NamedTensors params = Params();
  const auto optimizer = MakeOptimizer(
      "lr: 0.4 schedule { warmup_steps: 4 } group { match: '*' lr_factor: 0.1 }", params);
  const NamedTensors state = optimizer->Init(params);
  EXPECT_NEAR(optimizer->Update(params, params, state, 1).learning_rate, 0.2, 1e-15);
  EXPECT_NEAR(optimizer->Update(params, params, state, 9).learning_rate, 0.4, 1e-15);
}

TEST(Optimizer, FactorsAndRatesOfGroupsCount) {
  const NamedTensors params = Params(DType::kF64);
  const auto optimizer = MakeOptimizer(
      "name: 'sgd' lr: 0.5 group { match: 'head.*' lr_factor: 0.1 } "
      "group { match: 'embedding.*' set { lr: 0.25 schedule { warmup_steps: 2 } } }",
      params);
  const UpdateResult r = optimizer->Update(params, params, {}, 0);
  EXPECT_LT(Distance(r.params.at("blocks.0.q.weight"), Mul(params.at("blocks.0.q.weight"), 0.5)),
            1e-15);
  EXPECT_LT(Distance(r.params.at("head.weight"), Mul(params.at("head.weight"), 0.95)), 1e-15);
  EXPECT_LT(Distance(r.params.at("embedding.weight"), Mul(params.at("embedding.weight"), 0.875)),
            1e-15);
}

TEST(Optimizer, StateBytesAreThoseOfTheState) {
  const NamedTensors params = Params();
  EXPECT_EQ(TotalBytes(MakeOptimizer("name: 'adamw'", params)->Init(params)),
            2 * TotalBytes(params));
  EXPECT_EQ(TotalBytes(MakeOptimizer("name: 'sgd'", params)->Init(params)), 0);
  EXPECT_EQ(TotalBytes(MakeOptimizer("name: 'sgd' momentum: 0.9", params)->Init(params)),
            TotalBytes(params));
  // One momentum for the matrix, two for the rest.
  EXPECT_EQ(TotalBytes(MakeOptimizer("name: 'muon'", params)->Init(params)),
            2 * TotalBytes(params) - params.at("blocks.0.q.weight").bytes());
}

TEST(Optimizer, SummaryIsAShortLineForEachTreatment) {
  const std::vector<std::string> lines =
      MakeOptimizer(
          "name: 'muon' weight_decay: 0.1 schedule { kind: COSINE total_steps: 9 } "
          "group { match: 'head.*' frozen: true }",
          Params())
          ->Summary();
  EXPECT_EQ(lines, std::vector<std::string>(
                       {"adamw, lr 0.0003, cosine: 24 parameters", "frozen: 20 parameters",
                        "muon, lr 0.02, weight decay 0.1, cosine: 24 parameters"}));
}

TEST(Optimizer, ConvolutionKernelsAreMatricesToMuon) {
  const NamedTensors params = RandomTensors({{"k", Tensor::Empty({4, 3, 2}, DType::kF64)}}, 1);
  const NamedTensors flat = {{"k", params.at("k").WithShape({4, 6})}};
  const std::string config = "name: 'muon' group { match: 'k' set { name: 'muon' } }";
  const auto a = MakeOptimizer(config, params), b = MakeOptimizer(config, flat);
  const UpdateResult x = a->Update(params, params, a->Init(params), 0),
                     y = b->Update(flat, flat, b->Init(flat), 0);
  EXPECT_EQ(x.params.at("k").ToVector(), y.params.at("k").ToVector());
}

TEST(Optimizer, EmptyModelIsFine) {
  const auto optimizer = MakeOptimizer("clip_norm: 1", {});
  const UpdateResult r = optimizer->Update({}, {}, optimizer->Init({}), 0);
  EXPECT_EQ(r.grad_norm, 0.0);
}

}  // namespace
}  // namespace palimpsest
