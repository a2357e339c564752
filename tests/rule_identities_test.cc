// What rules are in their limits, against each other and against the equations.
#include "gtest/gtest.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/linalg.h"
#include "ops/reduce.h"
#include "tests/gradcheck.h"
#include "tests/rule_problem.h"

namespace palimpsest {
namespace {

constexpr ProblemSize kSize = {.batch = 1, .time = 30, .heads = 1, .key = 6, .value = 5};

Tensors RunAs(const std::string& rule, Problem p, const std::map<std::string, double>& gates,
              int64_t chunk = 16) {
  p.rule = RuleOf({rule, {}});
  for (const auto& [name, value] : gates) {
    p.seq.gates[name] = Tensor::Full({1, kSize.time, 1}, value, DType::kF64);
  }
  return RunForm(p, Form::kChunks, chunk);
}

TEST(RuleIdentities, GatedDeltaThatKeepsAllIsDelta) {
  const Problem p = MakeProblem({"delta", {}}, kSize);
  EXPECT_LT(
      LargestDistance(RunAs("gated_delta", p, {{"log_keep", 0.0}}), RunForm(p, Form::kChunks, 16)),
      1e-14);
}

TEST(RuleIdentities, StrengthZeroIsStatic) {
  const Problem p = MakeProblem({"delta", {}}, kSize);
  const Tensors out = RunAs("delta", p, {{"beta", 0.0}});
  EXPECT_EQ(Distance(out[1], p.state[0]), 0.0);
  const Tensor q = Reshape(p.seq.q, {1, kSize.time, kSize.key});
  EXPECT_LT(Distance(Reshape(out[0], {1, kSize.time, kSize.value}), p.rule->Read(p.state, q)),
            1e-15);
}

TEST(RuleIdentities, DeltaRecallsOrthonormalKeysExactly) {
  Problem p = MakeProblem({"delta", {}}, {.batch = 1, .time = 4, .heads = 1, .key = 4, .value = 5});
  std::vector<double> keys(16, 0.0);
  for (int i = 0; i < 4; ++i) keys[i * 4 + (i + 1) % 4] = 1.0;
  p.seq.k = Tensor::FromVector({1, 4, 1, 4}, keys, DType::kF64);
  const Problem written = p.WithGate("beta", 1.0);
  const Tensors out = RunForm(written, Form::kChunks, 16);
  const Tensor recalled = p.rule->Read({out[1]}, Reshape(p.seq.k, {1, 4, 4}));
  EXPECT_LT(Distance(recalled, Reshape(p.seq.v, {1, 4, 5})), 1e-14);
}

// Without forgetting, Hebbian memory is linear attention: y_t = sum_{j <= t} beta_j v_j (k_j .
// q_t).
TEST(RuleIdentities, HebbianIsLinearAttention) {
  Problem p = MakeProblem({"hebbian", {}}, kSize).WithGate("log_keep", 0.0).WithGate("beta", 1.0);
  p.state[0] = Mul(p.state[0], 0.0);
  const auto rows = [](const Tensor& x) { return Reshape(x, {x.dim(1), x.dim(3)}); };
  Tensor mask = CumSum(Tensor::Full({kSize.time, kSize.time}, 1.0, DType::kF64), 0);
  mask =
      Cast(GreaterEqual(mask, CumSum(Tensor::Full({kSize.time, kSize.time}, 1.0, DType::kF64), 1)),
           DType::kF64);
  const Tensor scores = Mul(MatMul(rows(p.seq.q), rows(p.seq.k), {.b = true}), mask);
  EXPECT_LT(Distance(rows(RunForm(p, Form::kChunks, 7)[0]), MatMul(scores, rows(p.seq.v))), 1e-14);
}

// One linear layer, no momentum, a new anchor for every token: M - theta (M k - v) k^T.
TEST(RuleIdentities, ShallowTitansWithFreshAnchorsIsDelta) {
  Problem p = MakeProblem({"delta", {}}, kSize);
  const Tensors delta = RunForm(p, Form::kChunks, 16);
  p.seq.gates = {{"log_keep", Tensor::Full({1, kSize.time, 1}, 0.0, DType::kF64)},
                 {"theta", p.seq.gates.at("beta")}};
  p.rule = RuleOf({"titans_mlp", {{"depth", 1}, {"momentum", 0}}});
  EXPECT_LT(LargestDistance(RunForm(p, Form::kChunks, 1), delta), 1e-13);
}

// The same in longer chunks, from the equation: the error is measured at the chunk's start.
TEST(RuleIdentities, ShallowTitansIsAnchoredDelta) {
  const Problem p = MakeProblem({"titans_mlp", {{"depth", 1}, {"momentum", 0}}}, kSize);
  const auto at = [](const Tensor& x, int64_t t) {
    return Reshape(Slice(x, 1, t, t + 1), {1, 1, x.size() / 30});
  };
  Tensor m = p.state[0], anchor = m;
  Tensors ys;
  for (int64_t t = 0; t < kSize.time; ++t) {
    if (t % 8 == 0) anchor = m;
    const Tensor k = at(p.seq.k, t), error = Sub(MatMul(k, anchor, {.b = true}), at(p.seq.v, t));
    const Tensor write = Mul(at(p.seq.gates.at("theta"), t), MatMul(error, k, {.a = true}));
    m = Sub(Mul(Exp(at(p.seq.gates.at("log_keep"), t)), m), write);
    ys.push_back(MatMul(at(p.seq.q, t), m, {.b = true}));
  }
  const Tensors out = RunForm(p, Form::kChunks, 8);
  EXPECT_LT(Distance(Reshape(out[0], {1, kSize.time, kSize.value}), Concat(ys, 1)), 1e-13);
  EXPECT_LT(Distance(out[1], m), 1e-13);
}

TEST(RuleIdentities, MomentumThatForgetsAtOnceIsNone) {
  const Problem plain = MakeProblem({"titans_mlp", {{"momentum", 0}}}, kSize);
  Problem p = plain;
  p.rule = RuleOf({"titans_mlp", {}});
  p.seq.gates["log_eta"] = Tensor::Full({1, kSize.time, 1}, -1e4, DType::kF64);
  for (int i = 0; i < 2; ++i) p.state.push_back(Mul(p.state[i], 0.0));
  const Tensors with = RunForm(p, Form::kChunks, 8), without = RunForm(plain, Form::kChunks, 8);
  EXPECT_LT(LargestDistance(Tensors(with.begin(), with.begin() + 3), without), 1e-14);
}

TEST(RuleIdentities, InitIsTheSameForAllOfABatch) {
  const auto rule = RuleOf({"titans_mlp", {}});
  const State state =
      rule->Init({.batch = 3, .key = 4, .value = 5}, DType::kF32, RandomStream(1, "init"));
  EXPECT_TRUE(SameBits(Slice(state[0], 0, 0, 1), Slice(state[0], 0, 2, 3)));
  EXPECT_EQ(Distance(rule->Read(state, Tensor::Full({3, 1, 4}, 1.0, DType::kF32)),
                     Tensor::Full({3, 1, 5}, 0.0, DType::kF32)),
            0.0);
}

TEST(ScanDeathTest, MistakesAreNamed) {
  const Problem p = MakeProblem({"gated_delta", {}}, kSize);
  Sequence no_beta = p.seq;
  no_beta.gates.erase("beta"), no_beta.gates["betta"] = p.seq.gates.at("beta");
  EXPECT_DEATH(Scan(*p.rule, no_beta, p.state),
               "scan.*gate beta of f64 \\[1,30,1\\] expected.*betta f64");
  Sequence short_v = p.seq;
  short_v.v = Slice(p.seq.v, 1, 0, 3);
  EXPECT_DEATH(Scan(*p.rule, short_v, p.state), "v f64 \\[1,3,1,5\\]");
  EXPECT_DEATH(Scan(*p.rule, p.seq, {}), "no state");
  EXPECT_DEATH(Scan(*p.rule, p.seq, {Tensor::Full({2, 5, 6}, 0.0, DType::kF64)}), "for 1 memories");
  Sequence packed = p.seq;
  packed.cu_seqlens = Tensor::From<int32_t>({3}, {0, 31, 30});
  EXPECT_DEATH(Scan(*p.rule, packed, p.state), "cu_seqlens");
  const Problem anchored = MakeProblem({"titans_mlp", {}}, kSize);
  EXPECT_DEATH(Scan(*anchored.rule, anchored.seq, anchored.state, {.phase = 3}),
               "needs the anchor");
}

}  // namespace
}  // namespace palimpsest
