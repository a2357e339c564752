// What rules make of long streams, and of sequences packed into one.
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "conformance/problem.h"
#include "gtest/gtest.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/norm.h"
#include "ops/reduce.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

// |f(q)| around the tokens `at`, of a memory that forgets a hundredth a token, read with random
// unit queries.
std::vector<double> Readings(const RuleConfig& config, const std::vector<int64_t>& at) {
  constexpr int64_t kAround = 50;
  ProblemSize size{.batch = 1, .time = at.back() + kAround, .heads = 1, .key = 6, .value = 6};
  Problem p = MakeProblem(config, size);
  for (Tensor* x : {&p.seq.q, &p.seq.k, &p.seq.v}) *x = L2Normalize(*x, 0.0);
  p = p.WithGate("log_keep", std::log(0.99)).WithGate("theta", 0.05);
  p.state = p.rule->Init({1, size.key, size.value}, DType::kF64, RandomStream(1, "init"));
  const Tensor y = RunForm(p, Form::kChunks, 16)[0];
  std::vector<double> readings;
  for (const int64_t t : at)
    readings.push_back(Mean(Norm(Slice(y, 1, t - kAround, t + kAround), {-1})).Item());
  return readings;
}

// What forgets all of its weights is dead: each layer's gradient is a multiple of the others.
TEST(LongStream, AnMlpThatForgetsToItsFirstWeightsGoesOn) {
  const std::vector<int64_t> tokens = {100, 1000, 10000};
  for (const char* rule : {"titans_mlp", "hope_mlp"}) {
    const auto readings = [&](const std::string& rest) {
      return Readings({rule, {{"residual", 0}}, {{"rest", rest}}}, tokens);
    };
    const std::vector<double> first = readings("first"), zero = readings("zero");
    for (size_t i = 0; i < tokens.size(); ++i)
      EXPECT_GT(first[i], 0.3 * first[0]) << rule << " at token " << tokens[i];
    EXPECT_LT(zero[1], 1e-3 * first[1]) << rule;
    EXPECT_LT(zero[2], 1e-20) << rule;
  }
}

// The same function of what it starts from, until something is forgotten or erased.
TEST(LongStream, WithoutForgettingItDoesNotMatterWhereAnMlpRests) {
  const ProblemSize size{.batch = 1, .time = 30, .heads = 1, .key = 6, .value = 5};
  Problem p = MakeProblem({"titans_mlp", {}, {{"rest", "zero"}}}, size).WithGate("log_keep", 0.0);
  const Tensors zero = RunForm(p, Form::kChunks, 8);
  p.rule = RuleOf({"titans_mlp", {}, {{"rest", "first"}}});
  const State weights(p.state.begin(), p.state.begin() + 2);
  for (int i = 0; i < 2; ++i) p.state[i] = Mul(p.state[i], 0.0);
  p.state.insert(p.state.end(), weights.begin(), weights.end());
  EXPECT_LT(Distance(RunForm(p, Form::kChunks, 8)[0], zero[0]), 1e-13);
}

// Where a token brings several pairs, too, in one scan.
TEST(PackedSequences, AreScannedAllAtOnce) {
  const std::vector<int32_t> bounds = {0, 5, 5, 22, 23, 39};
  for (const int n : {1, 2, 3}) {
    const RuleConfig rule{"delta_product", {{"n", static_cast<double>(n)}}};
    Problem p = MakeProblem(rule, {.batch = 1, .time = 39});
    p.state = MakeProblem(rule, {.batch = 5, .time = 1}).state;
    p.seq.cu_seqlens = Tensor::From<int32_t>({6}, bounds);
    const std::optional<ScanResult> packed = p.rule->PackedChunks(p.seq, p.state, 16);
    ASSERT_TRUE(packed.has_value());
    const Tensors steps = RunForm(p, Form::kSteps, 16);  // One sequence after the other.
    EXPECT_LT(LargestDistance(Flat(*packed), steps), 1e-13) << n;
  }
}

}  // namespace
}  // namespace palimpsest
