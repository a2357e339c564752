// What every optimizer keeps to, whatever it does: by name, over all there are.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/allocator.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/tape.h"
#include "gtest/gtest.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "optim/optimizer.h"
#include "optim/optimizers.h"
#include "optim/schedule.h"
#include "optim/small_problem.h"
#include "optim/testing.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

// The tokens [begin, end) of it; of gradients that are no layer's, their share.
Pass PartOf(const Pass& pass, int64_t begin, int64_t end) {
  Pass part;
  int64_t tokens = 1;
  for (const auto& [name, layer] : pass.layers) {
    tokens = layer.x.dim(0);
    part.layers[name] = {Slice(layer.x, 0, begin, end), Slice(layer.d, 0, begin, end)};
  }
  for (const auto& [name, g] : pass.grads)
    part.grads[name] = Mul(g, static_cast<double>(end - begin) / static_cast<double>(tokens));
  return part;
}

class EveryOptimizer : public ::testing::TestWithParam<std::string> {
 protected:
  static std::string Named(const std::string& more = "") {
    return absl::StrCat("name: '", GetParam(), "' ", more);
  }
  // Groups, a schedule and clipping.
  static std::string Full() {
    return Named(
        "clip_norm: 1 schedule { kind: WSD warmup_steps: 2 total_steps: 25 decay_steps: 9 } "
        "group { match: '*.down.*' lr_factor: 0.5 }");
  }

  static UpdateResult Start(const std::string& config, NamedTensors params) {
    NamedTensors state = MakeOptimizer(config, params)->Init(params);
    return {.params = std::move(params), .state = std::move(state)};
  }

  static UpdateResult Steps(const std::string& config, UpdateResult from, int begin, int end) {
    const auto optimizer = MakeOptimizer(config, from.params);
    for (int step = begin; step < end; ++step) {
      const Pass pass = RandomPass(from.params, step);
      from = UpdateAfter({pass}, *optimizer, std::move(from.params), std::move(from.state), step);
    }
    return from;
  }
};

TEST_P(EveryOptimizer, ResumesWithTheSameBits) {
  const UpdateResult whole = Steps(Full(), Start(Full(), Params()), 0, 25);
  UpdateResult begun = Steps(Full(), Start(Full(), Params()), 0, 5);
  const UpdateResult resumed =
      Steps(Full(), {.params = DeepCopy(begun.params), .state = DeepCopy(begun.state)}, 5, 25);
  ExpectSameBits(resumed.params, whole.params);
  ExpectSameBits(resumed.state, whole.state);
}

TEST_P(EveryOptimizer, SameBitsForAnyNumberOfThreads) {
  const int threads = NumThreads();
  const auto run = [](int count) {
    SetNumThreads(count);
    const NamedTensors params = RandomTensors({{kFirst, Tensor::Empty({150, 130}, DType::kF32)},
                                               {kSecond, Tensor::Empty({90, 150}, DType::kF32)}},
                                              1);
    const auto optimizer = MakeOptimizer(Full(), params);
    UpdateResult r{.params = params, .state = optimizer->Init(params)};
    for (int step = 0; step < 2; ++step) {
      const Pass pass = RandomPass(params, step, 40);
      r = UpdateAfter({pass}, *optimizer, std::move(r.params), std::move(r.state), step);
    }
    return r;
  };
  const UpdateResult one = run(1), three = run(3);
  SetNumThreads(threads);
  ExpectSameBits(one.params, three.params);
  ExpectSameBits(one.state, three.state);
}

// Kernels stand for ops, and change nothing but rounding: that of bf16 is another matter.
TEST_P(EveryOptimizer, IsTheSameComposedOfOps) {
  std::string config = Full();
  for (const HyperSpec& hyper : OptimizerSpecs().at(GetParam()).hypers) {
    if (hyper.name == "newton_schulz_bf16") config += " newton_schulz_bf16: false";
  }
  for (const auto& [dtype, tolerance] :
       {std::pair(DType::kF64, 1e-10), std::pair(DType::kF32, 1e-3)}) {
    const UpdateResult fused = Steps(config, Start(config, Params(dtype)), 0, 12);
    const ComposedScope scope;
    const UpdateResult composed = Steps(config, Start(config, Params(dtype)), 0, 12);
    EXPECT_LT(LargestDistance(fused.params, composed.params), tolerance) << dtype;
    EXPECT_LT(LargestDistance(fused.state, composed.state), tolerance) << dtype;
  }
}

// What a step gives back serves the next.
TEST_P(EveryOptimizer, AsksTheDeviceForNoMemoryInTheSteadyState) {
  const Allocator& memory = Allocator::Of(Device::kCpu);
  UpdateResult r = Steps(Full(), Start(Full(), Params()), 0, 3);
  const int64_t before = memory.stats().requests;
  r = Steps(Full(), std::move(r), 3, 7);
  EXPECT_EQ(memory.stats().requests, before);
}

TEST_P(EveryOptimizer, KeepsNamesShapesAndDTypes) {
  for (DType dtype : {DType::kF64, DType::kF32, DType::kBf16}) {
    const UpdateResult start = Start(Full(), Params(dtype)),
                       end = Steps(Full(), Start(Full(), Params(dtype)), 0, 2);
    ASSERT_EQ(start.state.size(), end.state.size());
    for (const auto& [name, x] : start.state)
      EXPECT_EQ(Describe(end.state.at(name)), Describe(x)) << name;
    for (const auto& [name, x] : start.params) {
      EXPECT_EQ(Describe(end.params.at(name)), Describe(x)) << name;
      EXPECT_TRUE(dtype == DType::kBf16 || !SameBits(end.params.at(name), x)) << name;
    }
  }
}

// What rounds away in bf16 adds up in the master copy.
TEST_P(EveryOptimizer, Bf16ParametersHaveAMasterCopy) {
  const std::string config =
      Named("lr: 1e-6 weight_decay: 0 group { match: '*' set { lr: 1e-6 weight_decay: 0 } }");
  // Far from where bf16 is as fine as the steps.
  NamedTensors params = Params(DType::kBf16);
  for (auto& [name, x] : params) x = Tensor::Full(x.shape(), 1.5, DType::kBf16);
  UpdateResult r = Start(config, params);
  const NamedTensors state = DeepCopy(r.state);
  r = Steps(config, std::move(r), 0, 3);
  ExpectSameBits(r.params, params);
  const std::string master = absl::StrCat(kFirst, ".master");
  const double moved = Distance(r.state.at(master), state.at(master));
  EXPECT_GT(moved, 1e-9);
  EXPECT_LT(moved, 1e-3);
}

TEST_P(EveryOptimizer, GradientsMayComeInParts) {
  const std::string config = Named("clip_norm: 1");
  const NamedTensors params = Params(DType::kF64);
  const auto optimizer = MakeOptimizer(config, params);
  UpdateResult whole = Start(config, params), parts = whole;
  for (int step = 0; step < 6; ++step) {
    const Pass pass = RandomPass(params, step);
    whole = UpdateAfter({pass}, *optimizer, whole.params, whole.state, step);
    parts = UpdateAfter({PartOf(pass, 0, 2), PartOf(pass, 2, 6), PartOf(pass, 6, 9)}, *optimizer,
                        parts.params, parts.state, step);
  }
  EXPECT_LT(LargestDistance(parts.params, whole.params), 1e-12);
}

// Clipping is a smaller loss: all that comes of it is scaled, inputs are not.
TEST_P(EveryOptimizer, ClippingScalesTheLoss) {
  const NamedTensors params = Params(DType::kF64);
  const auto clipping = MakeOptimizer(Named("clip_norm: 0.3"), params),
             plain = MakeOptimizer(Named(), params);
  UpdateResult clipped = Start(Named(), params), scaled = clipped;
  for (int step = 0; step < 6; ++step) {
    const Pass pass = RandomPass(params, step);
    clipped = UpdateAfter({pass}, *clipping, clipped.params, clipped.state, step);
    ASSERT_GT(clipped.grad_norm(), 0.3);
    const Pass smaller = Scaled(pass, 0.3 / (clipped.grad_norm() + 1e-6));
    scaled = UpdateAfter({smaller}, *plain, scaled.params, scaled.state, step);
  }
  EXPECT_LT(LargestDistance(clipped.params, scaled.params), 1e-12);
}

// A schedule does what a rate given step by step would.
TEST_P(EveryOptimizer, FollowsEachSchedule) {
  const NamedTensors params = Params(DType::kF64);
  const std::string groups = "lr: 0.01 group { match: '*' set { lr: 0.01 } } ";
  for (const char* schedule :
       {"warmup_steps: 3", "kind: COSINE warmup_steps: 2 total_steps: 7 min_ratio: 0.1",
        "kind: WSD warmup_steps: 2 total_steps: 7 decay_steps: 3", "kind: COSINE total_steps: 5"}) {
    const std::string scheduled = Named(absl::StrCat(groups, "schedule { ", schedule, " }"));
    const auto by_itself = MakeOptimizer(scheduled, params),
               by_hand = MakeOptimizer(Named(groups), params);
    UpdateResult a = Start(scheduled, params), b = a;
    for (int step = 0; step < 8; ++step) {
      const Pass pass = RandomPass(params, step);
      a = UpdateAfter({pass}, *by_itself, a.params, a.state, step);
      const double lr = 0.01 * ScheduleFactor(ParseSchedule(schedule), step);
      b = UpdateAfter({pass}, *by_hand, b.params, b.state, step,
                      {{"lr", Tensor::Full({}, lr, DType::kF64)}});
    }
    EXPECT_LT(LargestDistance(a.params, b.params), 1e-14) << schedule;
    EXPECT_GT(LargestDistance(a.params, params), 1e-4) << schedule;
  }
}

TEST_P(EveryOptimizer, GradientsThatAreNotFiniteChangeNothing) {
  const UpdateResult start = Start(Full(), Params());
  const auto optimizer = MakeOptimizer(Full(), start.params);
  for (double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    Pass pass = RandomPass(start.params, 0);
    pass.layers.at(kFirst).d.mutable_data<float>()[3] = static_cast<float>(bad);
    const UpdateResult r = UpdateAfter({pass}, *optimizer, start.params, start.state, 0);
    EXPECT_EQ(r.non_finite(), kFirst);
    EXPECT_FALSE(std::isfinite(r.grad_norm()));
    ExpectSameBits(r.params, start.params);
    ExpectSameBits(r.state, start.state);
  }
}

// With SKIP they are counted, and the steps after are what they would have been.
TEST_P(EveryOptimizer, SkippedStepsLeaveNoTrace) {
  const std::string config = Named("non_finite: SKIP");
  const UpdateResult start = Start(config, Params());
  const auto optimizer = MakeOptimizer(config, start.params);
  const std::vector<int> order = {0, 1, -1, 2, -1, -1, 3, 4};
  UpdateResult skipping = start, plain = start;
  int64_t steps = 0, good = 0;
  for (int seed : order) {
    Pass pass = RandomPass(start.params, std::abs(seed));
    if (seed < 0) pass.layers.at(kSecond).x.mutable_data<float>()[0] = std::nanf("");
    skipping = UpdateAfter({pass}, *optimizer, skipping.params, skipping.state, steps++);
    EXPECT_EQ(skipping.non_finite(), seed < 0 ? kSecond : "");
    if (seed < 0) continue;
    plain = UpdateAfter({pass}, *optimizer, plain.params, plain.state, good++);
    ExpectSameBits(skipping.params, plain.params);
  }
  EXPECT_EQ(optimizer->Skipped(skipping.state).Item(), steps - good);
  EXPECT_EQ(optimizer->Skipped(plain.state).Item(), 0);
}

// No gradient at first, none ever, and one so small that its square is 0 in f32.
TEST_P(EveryOptimizer, TinyGradientsStayFinite) {
  UpdateResult r = Start(Named(), Params());
  const auto optimizer = MakeOptimizer(Named(), r.params);
  int step = 0;
  for (double scale : {0.0, 0.0, 1e-30, 1.0, 0.0, 1e-30, 0.0}) {
    const Pass pass = Scaled(RandomPass(r.params, step), scale);
    r = UpdateAfter({pass}, *optimizer, std::move(r.params), std::move(r.state), step++);
    for (const auto& [name, x] : r.params)
      for (double value : x.ToVector()) ASSERT_TRUE(std::isfinite(value)) << name << " " << scale;
  }
}

TEST_P(EveryOptimizer, EmptyParametersAreFine) {
  const NamedTensors params = {{kFirst, Tensor::Empty({0, 5}, DType::kF32)},
                               {kSecond, Tensor::Empty({5, 0}, DType::kF32)}};
  const UpdateResult r = Steps(Full(), Start(Full(), params), 0, 3);
  for (const auto& [name, x] : params) EXPECT_EQ(Describe(r.params.at(name)), Describe(x));
}

INSTANTIATE_TEST_SUITE_P(All, EveryOptimizer, ::testing::ValuesIn(OptimizerNames()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace palimpsest
