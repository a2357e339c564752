// `palimpsest check`: the conformance suite from the command line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string>

#include "nlohmann/json.hpp"
#include "tests/plugin_building.h"
#include "tests/program_testing.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(CheckCommand, PrintsALineForEachCheckOfARule) {
  const ProcessResult r = Palimpsest({"check", "--rule=titans_linear", "momentum=0", "exact=1"});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(r.err, "");
  EXPECT_THAT(r.out, HasSubstr("titans_linear exact=1 momentum=0\n"));
  for (const char* check : {"chunks", "gradient", "split", "packed", "causal", "extremes", "bf16"})
    EXPECT_THAT(r.out, HasSubstr(std::string("\n") + check + " "));
  EXPECT_THAT(r.out, Not(HasSubstr("FAILED")));
}

TEST(CheckCommand, PrintsJson) {
  const ProcessResult r = Palimpsest({"check", "--rule=delta", "--json"});
  EXPECT_EQ(r.code, 0) << r.err;
  const nlohmann::json rules = nlohmann::json::parse(r.out);
  ASSERT_EQ(rules.size(), 1u);
  EXPECT_EQ(rules[0]["rule"], "delta");
  EXPECT_EQ(rules[0]["device"], "cpu");
  EXPECT_EQ(rules[0]["ok"], true);
  for (const nlohmann::json& check : rules[0]["checks"]) {
    EXPECT_LE(check["worst"]["value"], check["worst"]["bound"]) << check;
    EXPECT_GT(check["measurements"], 0) << check;
    EXPECT_TRUE(check["failures"].empty()) << check;
  }
}

TEST(CheckCommand, EndsAtOnceWhenInterrupted) {
  Process check(PalimpsestCommand({"check"}));
  check.WaitFor("causal");
  check.Signal(SIGINT);
  EXPECT_EQ(check.Wait().code, 128 + SIGINT);
}

// Hebbian memory whose chunks write with the wrong sign.
constexpr char kWrong[] = R"(
#include "memory_rules/linear_memory.h"
#include "memory_rules/registry.h"
#include "ops/ops.h"
using namespace palimpsest;
struct Wrong : LinearMemory {
  explicit Wrong(const RuleParams&) {}
  std::string equation() const override { return "M_t = M_{t-1} + beta_t v_t k_t^T"; }
  std::vector<GateSpec> gates() const override { return {{"beta", GateKind::kStrength01}}; }
  State Step(const State& state, const State&, const Block& x) const override {
    return {Add(state[0], MatMul(Mul(Column(x.gates.at("beta")), x.v), x.k, {.a = true}))};
  }
  LinearUpdate Update(const Rows& x, const State&) const override {
    return {.write = {x.v, Neg(x.gates.at("beta"))}, .key = x.k};
  }
};
PALIMPSEST_MEMORY_RULE("wrong", Wrong);
)";

TEST(CheckCommand, NamesTheInputOfAWrongRuleAndExitsWith1) {
  const std::string plugin = "--plugin=" + BuildPlugin({Source(kWrong)});
  const ProcessResult r = Palimpsest({"check", plugin, "--rule=wrong"});
  EXPECT_EQ(r.code, 1);
  EXPECT_EQ(r.err, "");
  EXPECT_THAT(r.out, HasSubstr("\nchunks     2e+00  1e-11  FAILED  "));
  EXPECT_THAT(r.out, HasSubstr("\nwrong: chunks: state M: 2 > 1e-11; "));
  EXPECT_THAT(r.out, HasSubstr("\nwrong: backward: gradient of gate beta: "));
  EXPECT_THAT(r.out, HasSubstr(" at token "));
  const ProcessResult json = Palimpsest({"check", plugin, "--rule=wrong", "--json"});
  EXPECT_EQ(json.code, 1) << json.err;
  const nlohmann::json checks = nlohmann::json::parse(json.out)[0]["checks"];
  EXPECT_EQ(checks[0]["ok"], false);
  EXPECT_EQ(checks[0]["failures"][0]["value"].is_number(), true) << checks[0];
}

TEST(CheckCommand, SaysWhatIsWrong) {
  EXPECT_THAT(Palimpsest({"check", "--rule=detla"}).err, HasSubstr("did you mean \"delta\"?"));
  EXPECT_THAT(Palimpsest({"check", "--rule=delta", "depth=3"}).err,
              HasSubstr("memory rule delta has no parameter \"depth\""));
  EXPECT_THAT(Palimpsest({"check", "depth=3"}).err, HasSubstr("of which rule? give --rule=R"));
  EXPECT_EQ(Palimpsest({"check", "depth=3"}).code, 1);
  EXPECT_THAT(Palimpsest({"check", "--rule=delta", "--device=gpu"}).err,
              HasSubstr("device has no value 'gpu'"));
}

}  // namespace
}  // namespace palimpsest
