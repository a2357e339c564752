// A block of pairs written by its sums, against the rule's own step, for every rule that allows it.
#include "memory_rules/pair_sums.h"

#include <string>
#include <vector>

#include "core/random.h"
#include "core/tape.h"
#include "gtest/gtest.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/linalg.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

struct Case {
  std::string name;
  RuleConfig rule;
  std::vector<std::pair<std::string, double>> gates;
};

class PairSumsTest : public ::testing::TestWithParam<Case> {
 protected:
  static std::unique_ptr<MemoryRule> Rule() { return *MakeMemoryRule(GetParam().rule); }

  static Gates GatesOf(DType dtype) {
    Gates gates;
    for (const auto& [gate, value] : GetParam().gates)
      gates[gate] = Tensor::Full({1, 1}, value, dtype);
    return gates;
  }
};

Tensor Normal(Shape shape, const char* name, DType dtype = DType::kF64) {
  return RandomNormal(std::move(shape), RandomStream(2, name), dtype);
}

TEST_P(PairSumsTest, AreAllThatAStepNeeds) {
  const auto rule = Rule();
  ASSERT_TRUE(StepsBySums(*rule));
  for (const auto& [pairs, key, value] :
       {std::tuple(1, 4, 3), std::tuple(7, 4, 3), std::tuple(65, 33, 63), std::tuple(100, 1, 5)}) {
    for (const auto& [dtype, tolerance] :
         {std::pair(DType::kF64, 1e-11), std::pair(DType::kF32, 2e-3)}) {
      const Tensor k = Normal({1, pairs, key}, "k", dtype),
                   v = Normal({1, pairs, value}, "v", dtype);
      const State m = {Normal({1, value, key}, "m", dtype)};
      const Tensor want = rule->Step(m, m, {k, v, GatesOf(dtype)})[0];
      PairSums sums = SumPairs(k, v);
      EXPECT_LT(Distance(StepBySums(*rule, m, sums, GatesOf(dtype))[0], want), tolerance);
      sums.read_key = MatMul(m[0], sums.key_key), sums.key_key = {};
      EXPECT_LT(Distance(StepBySums(*rule, m, sums, GatesOf(dtype))[0], want), tolerance);
      const ComposedScope composed;
      EXPECT_LT(Distance(StepBySums(*rule, m, sums, GatesOf(dtype))[0], want), tolerance);
    }
  }
}

TEST_P(PairSumsTest, HaveGradients) {
  const auto rule = Rule();
  Tensors inputs = {Normal({1, 3, 4}, "m"), Normal({1, 5, 4}, "k"), Normal({1, 5, 3}, "v")};
  std::vector<std::string> names;
  for (const auto& [gate, value] : GatesOf(DType::kF64)) {
    names.push_back(gate);
    inputs.push_back(value);
  }
  CheckGradient(
      [&](const Tensors& x) {
        Gates gates;
        for (size_t i = 0; i < names.size(); ++i) gates[names[i]] = x[3 + i];
        return StepBySums(*rule, {x[0]}, SumPairs(x[1], x[2]), gates)[0];
      },
      inputs);
}

INSTANTIATE_TEST_SUITE_P(
    All, PairSumsTest,
    ::testing::Values(
        Case{"hebbian", {"hebbian", {}, {}}, {{"log_keep", -0.1}, {"beta", 0.3}}},
        Case{"delta", {"delta", {}, {}}, {{"beta", 0.03}}},
        Case{"gated_delta", {"gated_delta", {}, {}}, {{"log_keep", -0.1}, {"beta", 0.03}}},
        Case{"dgd_dot", {"dgd", {{"dot", 1}}, {}}, {{"log_keep", -0.1}, {"eta", 0.03}}},
        Case{"dgd_exact", {"dgd", {{"exact", 1}}, {}}, {{"log_keep", -0.1}, {"eta", 0.03}}},
        Case{"titans_linear",
             {"titans_linear", {{"exact", 1}, {"momentum", 0}}, {}},
             {{"log_keep", -0.1}, {"theta", 0.03}}}),
    [](const auto& info) { return info.param.name; });

// Rules with momentum, with an anchor, that are no matrix, or that erase with other keys than they
// write.
TEST(PairSums, AreTooLittleForOtherRules) {
  for (const RuleConfig& rule : std::vector<RuleConfig>{{"titans_linear", {}, {}},
                                                        {"momentum_delta", {}, {}},
                                                        {"dgd", {}, {}},
                                                        {"kda", {}, {}},
                                                        {"comba", {}, {}},
                                                        {"oja", {}, {}},
                                                        {"delta_product", {}, {}},
                                                        {"titans_mlp", {}, {}}}) {
    EXPECT_FALSE(StepsBySums(**MakeMemoryRule(rule))) << rule.name;
  }
}

}  // namespace
}  // namespace palimpsest
