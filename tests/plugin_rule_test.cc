// Rules of plugins that the Bazel macro builds, in this process: the same as those built in.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "conformance/checks.h"
#include "core/allocator.h"
#include "memory_rules/plugin.h"
#include "ops/linalg.h"
#include "optim/optimizer.h"
#include "optim/testing.h"

namespace palimpsest {
namespace {

class PluginRule : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    // With the threads of the pool about, whose copy in the child process has none.
    MatMul(Tensor::Full({512, 512}, 1.0, DType::kF64), Tensor::Full({512, 512}, 1.0, DType::kF64));
    for (const char* name : {"longhorn", "bilinear"}) {
      const absl::StatusOr<Plugin> plugin =
          LoadPlugin(std::string("examples/plugins/lib") + name + ".so");
      ASSERT_TRUE(plugin.ok()) << plugin.status();
      EXPECT_EQ(plugin->rules, std::vector<std::string>{name});
    }
  }
};

void ExpectIsWhatEveryRuleMustBe(Device device) {
  for (const char* name : {"longhorn", "bilinear"}) {
    for (const Check& check : Checks()) {
      Measurements measurements;
      check.run({name}, {device, /*brief=*/device == Device::kSimulatedCuda}, &measurements);
      for (const Measurement& failure : Failures(measurements))
        ADD_FAILURE() << name << ": " << check.name << ": " << Describe(failure);
    }
  }
}

TEST_F(PluginRule, IsWhatEveryRuleMustBe) { ExpectIsWhatEveryRuleMustBe(Device::kCpu); }

TEST_F(PluginRule, IsWhatEveryRuleMustBeOnCuda) {
  if (!Allocator::Has(Device::kCuda)) GTEST_SKIP() << "there is no device cuda";
  ExpectIsWhatEveryRuleMustBe(Device::kCuda);
}

TEST_F(PluginRule, IsWhatEveryRuleMustBeOnSimulatedCuda) {
  ExpectIsWhatEveryRuleMustBe(Device::kSimulatedCuda);
}

TEST_F(PluginRule, TakesParametersAsBuiltInOnesDo) {
  const auto rule = MakeMemoryRule({"bilinear", {{"rank", 3}, {"momentum", 0}}, {}});
  ASSERT_TRUE(rule.ok()) << rule.status();
  const State state = (*rule)->Init({1, 4, 2}, DType::kF64, RandomStream(0, "init"));
  EXPECT_EQ(state[0].shape(), Shape({1, 12, 4}));
  EXPECT_FALSE(MakeMemoryRule({"bilinear", {{"rang", 3}}, {}}).ok());
}

// As a level of an optimizer. Under the single key 1, Longhorn's minimum of |m - m'|^2 + beta |m -
// g|^2 is an average of gradients: an EMA with keep 1 / (1 + beta).
TEST_F(PluginRule, IsAMomentum) {
  const auto level = [](const std::string& text) {
    return "name: 'chain' lr: 0.1 level { " + text + " }";
  };
  const std::string longhorn =
      level("kind: 'memory' rule: 'longhorn' gates { key: 'beta' value: 0.25 }");
  const NamedTensors params = RandomTensors({{"w", Tensor::Empty({3, 2}, DType::kF64)}}, 1);
  UpdateResult a{.params = params, .state = {}}, b = a;
  const auto plugin = MakeOptimizer(longhorn, params),
             ema = MakeOptimizer(level("kind: 'ema' keep: 0.8"), params);
  a.state = plugin->Init(params), b.state = ema->Init(params);
  for (int step = 0; step < 4; ++step) {
    const NamedTensors grads = RandomTensors(params, 2 + step);
    a = plugin->Update(a.params, grads, a.state, step);
    b = ema->Update(b.params, grads, b.state, step);
    EXPECT_LT(Distance(a.params.at("w"), b.params.at("w")), 1e-15);
  }
  EXPECT_GT(Distance(a.params.at("w"), params.at("w")), 0.01);
}

}  // namespace
}  // namespace palimpsest
