// Every optimizer on a device is what it is on the CPU, and leaves as little to chance.
#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/allocator.h"
#include "gtest/gtest.h"
#include "optim/optimizer.h"
#include "optim/optimizers.h"
#include "optim/small_problem.h"
#include "optim/testing.h"

namespace palimpsest {
namespace {

class OptimizerOnDevice : public ::testing::TestWithParam<std::tuple<std::string, Device>> {
 protected:
  void SetUp() override {
    if (!Allocator::Has(device())) GTEST_SKIP() << "there is no device " << device();
  }
  static const std::string& name() { return std::get<std::string>(GetParam()); }
  static Device device() { return std::get<Device>(GetParam()); }
  static bool Has(const std::string& hyper) {
    const auto& all = OptimizerSpecs().at(name()).hypers;
    return std::any_of(all.begin(), all.end(), [&](const auto& h) { return h.name == hyper; });
  }
  static std::string Config(const std::string& more) {
    return absl::StrCat("name: '", name(), "' clip_norm: 1 ", Has("period") ? "period: 2 " : "",
                        "group { match: '*.down.*' lr_factor: 0.5 } ", more);
  }

  static UpdateResult Start(const Optimizer& optimizer, const NamedTensors& params) {
    return {.params = params, .state = optimizer.Init(params)};
  }
  // After the passes with these seeds; of a negative one, gradients that are not finite. What
  // changes from step to step is told where the gradients are.
  static UpdateResult Train(const std::string& config, DType dtype, Device where,
                            const std::vector<int>& seeds) {
    const NamedTensors params = Params(dtype);
    const auto optimizer = MakeOptimizer(config, CopyTo(params, where));
    UpdateResult r = Start(*optimizer, CopyTo(params, where));
    int64_t step = 0;
    StepGuard guard;
    for (const int seed : seeds) {
      Pass pass = RandomPass(params, std::abs(seed));
      if (seed < 0) pass = Scaled(std::move(pass), std::nan(""));
      guard.numbers = CopyTo(optimizer->StepNumbers(step), where);
      r = UpdateAfter({CopyTo(pass, where)}, *optimizer, std::move(r.params), std::move(r.state),
                      step++, {}, &guard);
    }
    r.params = CopyTo(r.params, Device::kCpu), r.state = CopyTo(r.state, Device::kCpu);
    return r;
  }
};
INSTANTIATE_TEST_SUITE_P(All, OptimizerOnDevice,
                         ::testing::Combine(::testing::ValuesIn(OptimizerNames()),
                                            ::testing::Values(Device::kCuda,
                                                              Device::kSimulatedCuda)),
                         [](const auto& info) {
                           return absl::StrCat(
                               std::get<std::string>(info.param), "_",
                               ::testing::PrintToString(std::get<Device>(info.param)));
                         });

const std::vector<int> kSteps = {0, 1, 2, 3, 4, 5};

TEST_P(OptimizerOnDevice, IsThatOfTheCpu) {
  std::string config = Config("schedule { warmup_steps: 2 } ");
  if (Has("newton_schulz_bf16")) config += "newton_schulz_bf16: false";
  for (const auto& [dtype, tolerance] :
       {std::pair(DType::kF64, 1e-12), std::pair(DType::kF32, 1e-4),
        std::pair(DType::kBf16, 0.01)}) {
    const UpdateResult there = Train(config, dtype, device(), kSteps),
                       here = Train(config, dtype, Device::kCpu, kSteps);
    EXPECT_LT(LargestDistance(there.params, here.params), tolerance) << dtype;
    ASSERT_EQ(there.state.size(), here.state.size());
    EXPECT_LT(LargestDistance(there.state, here.state), tolerance) << dtype;
    EXPECT_NEAR(there.grad_norm(), here.grad_norm(), tolerance * here.grad_norm());
    for (const auto& [path, x] : here.state) EXPECT_EQ(Describe(there.state.at(path)), Describe(x));
  }
}

TEST_P(OptimizerOnDevice, SameBitsEachTime) {
  const UpdateResult a = Train(Config(""), DType::kF32, device(), kSteps),
                     b = Train(Config(""), DType::kF32, device(), kSteps);
  ExpectSameBits(a.params, b.params);
  ExpectSameBits(a.state, b.state);
}

TEST_P(OptimizerOnDevice, SkippedStepsLeaveNoTrace) {
  for (const char* more : {"non_finite: SKIP", "non_finite: SKIP average_keep: 0.9"}) {
    const std::string config = Config(more);
    UpdateResult skipping = Train(config, DType::kF32, device(), {0, -1, 1, -1, 2}),
                 plain = Train(config, DType::kF32, device(), {0, 1, 2});
    ExpectSameBits(skipping.params, plain.params);
    EXPECT_EQ(skipping.state.at("skipped").Item(), 2.0);
    skipping.state.erase("skipped"), plain.state.erase("skipped");
    ExpectSameBits(skipping.state, plain.state);
  }
}

// As who recorded parameters in a graph wants it, once each has memory of its own.
TEST_P(OptimizerOnDevice, ParametersStayWhereTheyAre) {
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    const NamedTensors params = Params(dtype);
    const auto optimizer = MakeOptimizer(Config("average_keep: 0.9"), CopyTo(params, device()));
    UpdateResult r = Start(*optimizer, CopyTo(params, device()));
    std::map<std::string, const void*> places;
    for (int step = 0; step < 3; ++step) {
      r = UpdateAfter({CopyTo(RandomPass(params, step), device())}, *optimizer, std::move(r.params),
                      std::move(r.state), step);
      for (const auto& [path, x] : r.params) {
        EXPECT_EQ(places.emplace(path, x.raw()).first->second, x.raw()) << path << " " << dtype;
      }
    }
  }
}

TEST_P(OptimizerOnDevice, NamesTheGradientThatIsNotFinite) {
  const UpdateResult r = Train(Config(""), DType::kF32, device(), {0, 1, -1}),
                     before = Train(Config(""), DType::kF32, device(), {0, 1});
  EXPECT_EQ(r.non_finite(), "blocks.0.down.weight");
  EXPECT_FALSE(std::isfinite(r.grad_norm()));
  ExpectSameBits(r.params, before.params);
  ExpectSameBits(r.state, before.state);
}

}  // namespace
}  // namespace palimpsest
