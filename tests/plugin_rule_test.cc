// Rules of plugins that the Bazel macro builds, in this process: the same as those built in.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "conformance/checks.h"
#include "memory_rules/plugin.h"
#include "ops/layout.h"
#include "ops/linalg.h"
#include "optim/level.h"

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

TEST_F(PluginRule, IsWhatEveryRuleMustBe) {
  for (const char* name : {"longhorn", "bilinear"}) {
    for (const Check& check : Checks()) {
      Measurements measurements;
      check.run({name}, &measurements);
      for (const Measurement& failure : Failures(measurements))
        ADD_FAILURE() << name << ": " << check.name << ": " << Describe(failure);
    }
  }
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
  const double beta = 0.25;
  const Shape shape = {3, 2};
  Level longhorn;
  longhorn.slot = "m";
  longhorn.memory = RuleOf({"longhorn"});
  longhorn.dims = [](const Shape& param) { return MemoryDims{1, 1, NumElements(param)}; };
  longhorn.encode = [&](const Signal& s, const LevelStep&) {
    return Block{Tensor::Full({1, 1, 1}, 1.0, DType::kF64),
                 Reshape(s.gradient, {1, 1, -1}),
                 {{"beta", Tensor::Full({1, 1}, beta, DType::kF64)}}};
  };
  longhorn.query = [](const Signal&) { return Tensor::Full({1, 1, 1}, 1.0, DType::kF64); };
  longhorn.output = [](const Tensor& read, const Signal& s, const LevelStep&) {
    return Reshape(read, s.gradient.shape());
  };
  const Level ema = EmaLevel({.slot = "m", .keep = "keep"});
  const Hypers hypers = {{"keep", Tensor::Full({}, 1.0 / (1.0 + beta), DType::kF64)}};
  NamedTensors a = longhorn.Init(shape, DType::kF64), b = ema.Init(shape, DType::kF64);
  for (int step = 0; step < 4; ++step) {
    const Signal signal{RandomNormal(shape, RandomStream(step, "gradient"), DType::kF64)};
    EXPECT_LT(
        Distance(longhorn.Update(signal, step, hypers, a), ema.Update(signal, step, hypers, b)),
        1e-15);
  }
}

}  // namespace
}  // namespace palimpsest
