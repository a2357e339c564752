#include "optim/optimizer.h"

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
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
  EXPECT_EQ(all.grad_norm(), without.grad_norm());
  ExpectSameBits(all.params, without.params);
  EXPECT_TRUE(SameBits(all.params.at("blocks.0.q.weight"), params.at("blocks.0.q.weight")));
  EXPECT_FALSE(SameBits(all.params.at("head.weight"), params.at("head.weight")));
}

TEST(Optimizer, ReportsTheBaseRateOfTheStep) {
  const NamedTensors params = Params();
  const auto optimizer = MakeOptimizer(
      "lr: 0.4 schedule { warmup_steps: 4 } group { match: '*' lr_factor: 0.1 }", params);
  EXPECT_NEAR(optimizer->LearningRate(1), 0.2, 1e-15);
  EXPECT_NEAR(optimizer->LearningRate(9), 0.4, 1e-15);
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

// average <- keep average + (1 - keep) weight, from where the weights began; of a bf16 weight, of
// its f32 copy.
TEST(Optimizer, AveragesWeightsAsConfigured) {
  for (DType dtype : {DType::kF64, DType::kBf16}) {
    const NamedTensors params = Params(dtype);
    const auto optimizer = MakeOptimizer(
        "name: 'sgd' lr: 0.1 average_keep: 0.75 group { match: 'head.*' frozen: true }", params);
    UpdateResult r{.params = params, .state = optimizer->Init(params)};
    const std::string name = "blocks.0.q.weight";
    Tensor want = Cast(params.at(name), DType::kF64);
    for (int step = 0; step < 4; ++step) {
      r = optimizer->Update(r.params, RandomTensors(params, 10 + step), r.state, step);
      const Tensor& weight =
          dtype == DType::kBf16 ? r.state.at(name + ".master") : r.params.at(name);
      want = Add(Mul(want, 0.75), Mul(Cast(weight, DType::kF64), 0.25));
    }
    const NamedTensors averaged = optimizer->Averaged(r.params, r.state);
    EXPECT_EQ(averaged.at(name).dtype(), dtype);
    EXPECT_LT(Distance(Cast(averaged.at(name), DType::kF64), want),
              dtype == DType::kBf16 ? 4e-3 : 1e-14);
    EXPECT_GT(Distance(averaged.at(name), r.params.at(name)), 1e-2);
    EXPECT_TRUE(SameBits(averaged.at("head.weight"), params.at("head.weight")));
  }
}

TEST(Optimizer, WithoutAnAverageTheWeightsStandForIt) {
  const NamedTensors params = Params();
  const auto optimizer = MakeOptimizer("name: 'adamw'", params);
  const UpdateResult r = optimizer->Update(params, params, optimizer->Init(params), 0);
  ExpectSameBits(optimizer->Averaged(r.params, r.state), r.params);
}

TEST(Optimizer, SummaryIsAShortLineForEachTreatment) {
  const std::vector<std::string> lines =
      MakeOptimizer(
          "name: 'muon' weight_decay: 0.1 schedule { kind: COSINE total_steps: 9 } "
          "group { match: 'head.*' frozen: true }",
          Params())
          ->Summary();
  EXPECT_EQ(lines,
            std::vector<std::string>(
                {"adamw, lr 0.0003, cosine: 24 parameters, 192 bytes of state",
                 "frozen: 20 parameters, 0 bytes of state",
                 "muon, lr 0.02, weight decay 0.1, cosine: 24 parameters, 96 bytes of state"}));
}

// Of those that train matrices, all that need no more than gradients.
TEST(Optimizer, ConvolutionKernelsAreMatricesToThoseOfMatrices) {
  const NamedTensors params = RandomTensors({{"k", Tensor::Empty({4, 3, 2}, DType::kF64)}}, 1);
  const NamedTensors flat = {{"k", params.at("k").WithShape({4, 6})}};
  for (const std::string name : {"muon", "normuon", "adamuon", "m3", "dmgd"}) {
    const std::string config = absl::StrCat("name: '", name, "' group { match: 'k' set { name: '",
                                            name, "' weight_decay: 0.1 } }");
    const auto a = MakeOptimizer(config, params), b = MakeOptimizer(config, flat);
    UpdateResult x{.params = params, .state = a->Init(params)},
        y{.params = flat, .state = b->Init(flat)};
    for (int step = 0; step < 3; ++step) {
      x = a->Update(x.params, x.params, x.state, step);
      y = b->Update(y.params, y.params, y.state, step);
    }
    EXPECT_EQ(x.params.at("k").ToVector(), y.params.at("k").ToVector()) << name;
    EXPECT_GT(Distance(x.params.at("k"), params.at("k")), 1e-5) << name;
  }
}

TEST(Optimizer, ThoseKeyedOnActivationsRefuseWhatNoLinearLayerHas) {
  const NamedTensors params = RandomTensors({{"k", Tensor::Empty({4, 3, 2}, DType::kF32)}}, 1);
  for (const std::string name : {"delta_sgd", "delta_adamw", "delta_muon", "dgd"}) {
    const auto optimizer = Optimizer::Create(
        ParseConfig(absl::StrCat("group { match: 'k' set { name: '", name, "' } }")), params);
    EXPECT_EQ(optimizer.status().code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_TRUE(absl::StrContains(optimizer.status().message(),
                                  name + " learns from the inputs of linear layers; parameter k is "
                                         "f32 [4,3,2]"))
        << optimizer.status();
  }
}

TEST(OptimizerDeathTest, NamesTheGradientThatIsMissingOrUnlike) {
  const NamedTensors params = Params();
  const auto optimizer = MakeOptimizer("name: 'am_mgd'", params);
  NamedTensors grads = params;
  grads["head.weight"] = Tensor::Full({4, 5}, 0.0, DType::kF32);
  EXPECT_DEATH(optimizer->Update(params, grads, optimizer->Init(params), 0),
               "head.weight is f32 .5,4., its gradient f32 .4,5.");
  grads.erase("head.weight");
  EXPECT_DEATH(optimizer->Update(params, grads, optimizer->Init(params), 0),
               "no gradient for head.weight");
}

TEST(Optimizer, EmptyModelIsFine) {
  const auto optimizer = MakeOptimizer("clip_norm: 1", {});
  const UpdateResult r = optimizer->Update({}, {}, optimizer->Init({}), 0);
  EXPECT_EQ(r.grad_norm(), 0.0);
}

}  // namespace
}  // namespace palimpsest
