// Chunks against the definition, in every form there is.
#include "nn/self_modifying_scan.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/tape.h"
#include "gtest/gtest.h"
#include "nn/self_modifying_problem.h"
#include "nn/testing.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

const std::vector<Box> kAll = {Box::kKey, Box::kValue, Box::kMemory, Box::kEta, Box::kKeep};
const std::vector<Box> kWithQuery = {Box::kKey,    Box::kValue, Box::kQuery,
                                     Box::kMemory, Box::kEta,   Box::kKeep};

struct Case {
  std::string name, text;
  std::vector<Box> boxes = kAll;
};
void PrintTo(const Case& c, std::ostream* os) { *os << c.name; }

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const char* structure : {"LINEAR", "MLP"}) {
    for (const char* rule : {"DGD", "GD"}) {
      for (const char* momentum : {"NONE", "GRADIENT", "STEP"}) {
        for (const char* stop : {"true", "false"}) {
          const std::string name = std::string(structure) + "_" + rule + "_" + momentum + "_" +
                                   (stop[0] == 't' ? "stopped" : "through");
          cases.push_back({name, std::string("structure: ") + structure + " rule: " + rule +
                                     " momentum: " + momentum + " stop_gradient_target: " + stop});
        }
      }
    }
  }
  const std::string linear = "structure: LINEAR ", exact = linear + "error: EXACT ";
  for (const auto& [name, text] : std::vector<std::pair<std::string, std::string>>{
           {"linear", linear},
           {"mlp", ""},
           {"mlp_through", "stop_gradient_target: false "},
           {"linear_to_zero", linear + "rest: ZERO "},
           {"mlp_to_zero", "rest: ZERO "}}) {
    cases.push_back({name + "_after", text + "read: AFTER_WRITE"});
    cases.push_back({name + "_anchor", text + "read: ANCHOR"});
    cases.push_back({name + "_after_fused", text + "read: AFTER_WRITE momentum: STEP"});
    cases.push_back({name + "_constant_writes", text + "differentiate_writes: false"});
    cases.push_back({name + "_constant_writes_fused",
                     text + "differentiate_writes: false momentum: STEP read: AFTER_WRITE"});
    cases.push_back({name + "_bounded", text + "max_error: 0.3"});
    cases.push_back({name + "_memory_only", text, {Box::kMemory}});
    cases.push_back({name + "_boxes_only", text, {Box::kKey, Box::kValue, Box::kEta, Box::kKeep}});
    cases.push_back({name + "_gates_only", text, {Box::kEta, Box::kKeep}});
    cases.push_back({name + "_query", text, kWithQuery});
    cases.push_back(
        {name + "_no_decay", text + "weight_decay: false", {Box::kKey, Box::kMemory, Box::kEta}});
    cases.push_back(
        {name + "_wide", text + "hidden: 7 activation: GELU step: EXPLICIT normalize_v: false"});
  }
  cases.push_back({"exact", exact + "momentum: NONE"});
  cases.push_back({"exact_step", exact + "momentum: STEP"});
  cases.push_back({"exact_gd", exact + "rule: GD"});
  cases.push_back({"exact_after", exact + "momentum: STEP read: AFTER_WRITE"});
  cases.push_back({"exact_memory_only", exact + "momentum: NONE", {Box::kMemory}});
  cases.push_back({"exact_to_zero", exact + "rest: ZERO momentum: STEP"});
  return cases;
}

double Largest(const BoxScan& scan) {
  double largest = 0.0;
  for (const Tensor& x : scan.state) largest = std::max(largest, Max(Abs(x)).Item());
  return largest;
}

class EveryForm : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Forms, EveryForm, testing::ValuesIn(Cases()),
                         [](const auto& info) { return info.param.name; });

TEST_P(EveryForm, ChunksAreTheSteps) {
  for (int64_t time : {0, 1, 5, 8, 9}) {
    const SelfModifyingProblem p("chunk: 4 " + GetParam().text, GetParam().boxes, time);
    const BoxScan steps = p.Run(4, ScanMode::kSteps);
    const double close = 1e-12 * (1.0 + Largest(steps));
    EXPECT_LT(MaxDifference(p.Run(4), steps), close);
    const ComposedScope composed;
    EXPECT_LT(MaxDifference(p.Run(4), steps), close);
  }
}

TEST_P(EveryForm, GradientsOfChunksAreThoseOfTheSteps) {
  const SelfModifyingProblem p("chunk: 4 " + GetParam().text, GetParam().boxes, 9);
  const Tensors sources = p.Sources();
  const auto gradients = [&](ScanMode mode) {
    Tape tape;
    tape.Watch(sources);
    return tape.Gradient(SelfModifyingProblem::Loss(p.Run(4, mode)), sources);
  };
  const Tensors steps = gradients(ScanMode::kSteps), chunks = gradients(ScanMode::kChunks);
  for (size_t i = 0; i < sources.size(); ++i)
    EXPECT_LT(MaxDifference(steps[i], chunks[i]), 1e-11 * (1 + Norm(steps[i]).Item())) << i;
}

TEST_P(EveryForm, IsTheSameHoweverItIsSplit) {
  const SelfModifyingProblem p("chunk: 4 " + GetParam().text, GetParam().boxes, 13);
  const BoxScan whole = p.Run(4);
  for (const std::vector<int64_t>& lengths :
       {std::vector<int64_t>{4, 9}, {1, 1, 3, 0, 8}, {12, 1}, {6, 7}}) {
    BoxScan now{{}, {}, p.state, p.state};
    Tensors ys;
    int64_t begin = 0;
    const SelfModifyingScan scan(p.config, p.stack, p.constants);
    for (int64_t length : lengths) {
      const auto part = [&](const Tensor& x) { return x ? Slice(x, 1, begin, begin + length) : x; };
      const BoxSignals& s = p.inputs.signals;
      now = scan.Run({part(p.inputs.x),
                      part(p.inputs.x_v),
                      {part(s.q), part(s.k), part(s.v), part(s.eta), part(s.log_keep)}},
                     now.state, now.anchor, 4, begin % 4);
      if (now.y) ys.push_back(now.y);
      begin += length;
    }
    if (whole.y) {
      EXPECT_LT(MaxDifference(whole.y, Concat(ys, 1)), 1e-12);
    }
    for (size_t i = 0; i < whole.state.size(); ++i)
      EXPECT_LT(MaxDifference(whole.state[i], now.state[i]), 1e-12) << i;
  }
}

// Longer than a kernel's chunk, and lengths around it.
TEST(SelfModifyingScan, ChunksOfManyTokensAreTheSteps) {
  for (const char* text : {"structure: LINEAR momentum: STEP", "momentum: GRADIENT",
                           "structure: LINEAR momentum: STEP stop_gradient_target: false"}) {
    for (int64_t time : {63, 65, 100}) {
      const SelfModifyingProblem p(std::string("chunk: 64 ") + text, kAll, time);
      EXPECT_LT(MaxDifference(p.Run(64), p.Run(64, ScanMode::kSteps)), 1e-11);
    }
  }
}

}  // namespace
}  // namespace palimpsest
