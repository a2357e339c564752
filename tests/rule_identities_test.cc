// What rules are in their limits, against each other and against the equations.
#include <algorithm>
#include <cmath>
#include <tuple>

#include "conformance/problem.h"
#include "gtest/gtest.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/linalg.h"
#include "ops/reduce.h"
#include "tests/gradcheck.h"

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
  p.rule = RuleOf({"titans_mlp", {{"depth", 1}, {"momentum", 0}}, {{"rest", "zero"}}});
  EXPECT_LT(LargestDistance(RunForm(p, Form::kChunks, 1), delta), 1e-13);
}

// The same in longer chunks, from the equation: the error is measured at the chunk's start.
TEST(RuleIdentities, ShallowTitansIsAnchoredDelta) {
  const Problem p =
      MakeProblem({"titans_mlp", {{"depth", 1}, {"momentum", 0}}, {{"rest", "zero"}}}, kSize);
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
  const Problem plain = MakeProblem({"titans_mlp", {{"momentum", 0}}, {{"rest", "zero"}}}, kSize);
  Problem p = plain;
  p.rule = RuleOf({"titans_mlp", {}, {{"rest", "zero"}}});
  p.seq.gates["log_eta"] = Tensor::Full({1, kSize.time, 1}, -1e4, DType::kF64);
  for (int i = 0; i < 2; ++i) p.state.push_back(Mul(p.state[i], 0.0));
  const Tensors with = RunForm(p, Form::kChunks, 8), without = RunForm(plain, Form::kChunks, 8);
  EXPECT_LT(LargestDistance(Tensors(with.begin(), with.begin() + 3), without), 1e-14);
}

// A gate with the same value, or values, in every channel.
Tensor PerChannel(const Tensor& gate, int64_t channels) {
  return BroadcastTo(Reshape(gate, {1, kSize.time, 1, 1}), {1, kSize.time, 1, channels});
}

TEST(RuleIdentities, ChannelsThatKeepAlikeAreOneNumber) {
  Problem p = MakeProblem({"gated_delta", {}}, kSize);
  const Tensors gated = RunForm(p, Form::kChunks, 16);
  p.seq.gates["log_keep"] = PerChannel(p.seq.gates.at("log_keep"), kSize.key);
  p.rule = RuleOf({"kda", {}});
  EXPECT_LT(LargestDistance(RunForm(p, Form::kChunks, 16), gated), 1e-14);
  p.seq.gates["b"] = PerChannel(p.seq.gates.at("beta"), kSize.key);
  p.seq.gates["w"] = PerChannel(p.seq.gates.at("beta"), kSize.value);
  p.seq.gates.erase("beta");
  p.rule = RuleOf({"gdn2", {}});
  EXPECT_LT(LargestDistance(RunForm(p, Form::kChunks, 16), gated), 1e-14);

  Problem hebbian = MakeProblem({"hebbian", {}}, kSize);
  const Tensors plain = RunForm(hebbian, Form::kChunks, 16);
  hebbian.seq.gates["log_keep"] = PerChannel(hebbian.seq.gates.at("log_keep"), kSize.key);
  hebbian.rule = RuleOf({"hebbian", {{"per_channel", 1}}});
  EXPECT_LT(LargestDistance(RunForm(hebbian, Form::kChunks, 16), plain), 1e-14);
}

TEST(RuleIdentities, OneProductIsTheGatedDeltaRule) {
  Problem p = MakeProblem({"gated_delta", {}}, kSize);
  const Tensors gated = RunForm(p, Form::kChunks, 16);
  p.rule = RuleOf({"delta_product", {{"n", 1}}});
  EXPECT_LT(LargestDistance(RunForm(p, Form::kChunks, 16), gated), 1e-14);
}

// Several pairs a token are tokens of their own, of which only the last is read.
TEST(RuleIdentities, ProductsAreTokensThatAreNotRead) {
  constexpr int64_t kPairs = 3;
  const Problem product = MakeProblem({"delta_product", {{"n", kPairs}}}, kSize);
  const int64_t pairs = kPairs * kSize.time;
  Problem p = product;
  p.rule = RuleOf({"gated_delta", {}});
  const Shape queries = {1, kSize.time, kPairs, kSize.key};
  p.seq.q = Reshape(BroadcastTo(Reshape(product.seq.q, {1, kSize.time, 1, kSize.key}), queries),
                    {1, pairs, 1, kSize.key});
  const Tensor& log_keep = product.seq.gates.at("log_keep");
  p.seq.gates["log_keep"] =
      Reshape(Pad(Reshape(log_keep, {1, kSize.time, 1}), 2, 0, kPairs - 1), {1, pairs, 1});
  Tensors tokens = RunForm(p, Form::kChunks, 16);
  tokens[0] = Reshape(
      Slice(Reshape(tokens[0], {1, kSize.time, kPairs, kSize.value}), 2, kPairs - 1, kPairs),
      {1, kSize.time, 1, kSize.value});
  EXPECT_LT(LargestDistance(RunForm(product, Form::kChunks, 16), tokens), 1e-14);
}

// Oja learns the key from the value.
TEST(RuleIdentities, OjaIsTheDeltaRuleOfTheTranspose) {
  const Problem oja = MakeProblem({"oja", {}}, kSize);
  Problem p = oja;
  p.rule = RuleOf({"comba", {}});
  p.seq.k = oja.seq.v, p.seq.v = oja.seq.k;
  p.seq.q = Mul(oja.seq.v, 0.0);
  p.seq.gates = {{"log_keep", oja.seq.gates.at("log_keep")},
                 {"beta", oja.seq.gates.at("eta")},
                 {"p", oja.seq.v}};
  EXPECT_LT(Distance(RunForm(oja, Form::kChunks, 16)[1], RunForm(p, Form::kChunks, 16)[1]), 1e-14);
}

TEST(RuleIdentities, AnchorsOfOneTokenAreExact) {
  for (const char* rule : {"dgd", "titans_linear"}) {
    const Problem p = MakeProblem({rule, {{"exact", 1}}}, kSize);
    Problem anchored = p;
    anchored.rule = RuleOf({rule, {}});
    EXPECT_LT(LargestDistance(RunForm(anchored, Form::kChunks, 1), RunForm(p, Form::kChunks, 16)),
              1e-13)
        << rule;
  }
}

TEST(RuleIdentities, ExactTitansWithoutMomentumThatKeepsAllIsDelta) {
  const Problem p = MakeProblem({"delta", {}}, kSize);
  Problem titans = p;
  titans.seq.gates = {{"theta", p.seq.gates.at("beta")},
                      {"log_keep", Tensor::Full({1, kSize.time, 1}, 0.0, DType::kF64)}};
  titans.rule = RuleOf({"titans_linear", {{"exact", 1}, {"momentum", 0}}});
  EXPECT_LT(LargestDistance(RunForm(titans, Form::kChunks, 16), RunForm(p, Form::kChunks, 16)),
            1e-13);
}

const std::map<std::string, double> kPlainMomentum = {{"coupled", 0}, {"corrected", 0}};

// M <- keep M - beta eta (M p - v) k^T with p = keep k.
TEST(RuleIdentities, MomentumDeltaThatForgetsItsMomentumIsComba) {
  Problem p = MakeProblem({"momentum_delta", kPlainMomentum}, kSize).WithGate("log_mu", -1e4);
  const Tensors mdn = RunForm(p, Form::kChunks, 16);
  const Tensor keep = Exp(p.seq.gates.at("log_keep"));
  p.seq.gates = {{"log_keep", p.seq.gates.at("log_keep")},
                 {"beta", Mul(p.seq.gates.at("beta"), p.seq.gates.at("eta"))},
                 {"p", Mul(Reshape(keep, {1, kSize.time, 1, 1}), p.seq.k)}};
  p.rule = RuleOf({"comba", {}});
  p.state.resize(1);
  const Tensors comba = RunForm(p, Form::kChunks, 16);
  EXPECT_LT(LargestDistance({mdn[0], mdn[1]}, comba), 1e-13);
}

// The spectral radius of [[keep (1 - beta eta), beta mu], [-keep eta, mu]] by repeated squaring.
double SpectralRadius(double keep, double mu, double beta, double eta) {
  double a = keep * (1 - beta * eta), b = beta * mu, c = -keep * eta, d = mu, log_scale = 0.0;
  for (int i = 0; i < 12; ++i) {
    const double n = std::max({std::abs(a), std::abs(b), std::abs(c), std::abs(d)});
    log_scale = 2 * (log_scale + std::log(n));
    a /= n, b /= n, c /= n, d /= n;
    std::tie(a, b, c, d) = std::tuple(a * a + b * c, a * b + b * d, c * a + d * c, c * b + d * d);
  }
  const double n = std::max({std::abs(a), std::abs(b), std::abs(c), std::abs(d)});
  return std::exp((log_scale + std::log(n)) / 4096);
}

// Along a key that repeats, memory and momentum stay bounded for all gates in their ranges.
TEST(RuleIdentities, MomentumDeltaIsStableInsideItsGates) {
  for (double keep : {0.05, 0.5, 0.9, 0.999}) {
    for (double mu : {0.05, 0.5, 0.9, 0.999}) {
      for (double beta : {0.05, 0.5, 0.999}) {
        for (double eta : {0.1, 1.0, 1.999}) {
          EXPECT_LT(SpectralRadius(keep, mu, beta, eta), 1.0)
              << keep << " " << mu << " " << beta << " " << eta;
          Problem p = MakeProblem({"momentum_delta", kPlainMomentum},
                                  {.batch = 1, .time = 400, .heads = 1, .key = 1, .value = 1});
          p = p.WithGate("log_keep", std::log(keep)).WithGate("log_mu", std::log(mu));
          p = p.WithGate("beta", beta).WithGate("eta", eta);
          p.seq.k = Tensor::Full(p.seq.k.shape(), 1.0, DType::kF64);
          p.seq.v = Tensor::Full(p.seq.v.shape(), 0.0, DType::kF64);
          p.state = State(2, Tensor::Full({1, 1, 1}, 1.0, DType::kF64));
          const Tensors out = RunForm(p, Form::kChunks, 64);
          const double bound = 1e3 * std::pow(SpectralRadius(keep, mu, beta, eta), 400);
          EXPECT_LT(std::abs(out[1].Item()) + std::abs(out[2].Item()), bound + 1e-90);
        }
      }
    }
  }
}

// A window of one pair, and a new anchor for every token.
TEST(RuleIdentities, OmegaOfOnePairIsDelta) {
  Problem p = MakeProblem({"delta", {}}, kSize);
  const Tensors delta = RunForm(p, Form::kChunks, 16);
  p.seq.gates = {{"log_keep", Tensor::Full({1, kSize.time, 1}, 0.0, DType::kF64)},
                 {"theta", p.seq.gates.at("beta")}};
  p.rule = RuleOf({"omega", {{"window", 1}}});
  EXPECT_LT(LargestDistance(RunForm(p, Form::kChunks, 1), delta), 1e-13);
}

// A window in which only the last pair counts.
TEST(RuleIdentities, WindowsWithoutWeightAreNone) {
  const Problem omega = MakeProblem({"omega", {{"window", 3}}}, kSize).WithGate("gamma", 1.0);
  Problem p = omega;
  p.rule = RuleOf({"omega", {{"window", 1}}});
  p.seq.gates.erase("gamma");
  p.state.resize(1);
  const Tensors one = RunForm(p, Form::kChunks, 1);
  Problem first = omega;  // Of the first token the window is empty.
  for (size_t i = 1; i < first.state.size(); ++i) first.state[i] = Mul(first.state[i], 0.0);
  const Tensors three = RunForm(first, Form::kChunks, 1);
  EXPECT_LT(Distance(Slice(three[0], 1, 0, 1), Slice(one[0], 1, 0, 1)), 1e-14);
  EXPECT_GT(Distance(Slice(three[0], 1, 1, 2), Slice(one[0], 1, 1, 2)), 1e-3);
}

Tensors RunTitans(const Problem& like, const RuleConfig& config,
                  const std::map<std::string, double>& gates = {}) {
  Problem p = like;
  p.rule = RuleOf(config);
  for (const auto& [name, value] : gates)
    p.seq.gates[name] = Tensor::Full({1, kSize.time, 1}, value, DType::kF64);
  return RunForm(p, Form::kChunks, 8);
}

TEST(RuleIdentities, KnobsInTheirLimitsAreThePlainRule) {
  const Problem p = MakeProblem({"titans_mlp", {}}, kSize);
  const Tensors plain = RunTitans(p, {"titans_mlp", {}});
  const auto same = [&](const std::map<std::string, double>& params,
                        const std::map<std::string, std::string>& options,
                        const std::map<std::string, double>& gates = {}) {
    return LargestDistance(RunTitans(p, {"titans_mlp", params, options}, gates), plain);
  };
  EXPECT_LT(same({}, {{"objective", "huber"}}, {{"delta", 1e6}}), 1e-14);
  EXPECT_LT(same({{"p", 2}}, {{"objective", "lp"}}), 1e-13);
  EXPECT_LT(same({{"q", 2}}, {{"retention", "lq"}}), 1e-13);
  EXPECT_LT(same({{"threshold", 0}}, {{"retention", "elastic"}}), 1e-14);
}

// No steps in a chunk: tokens read the weights of its start.
TEST(RuleIdentities, RateZeroIsStatic) {
  for (const char* rule : {"ttt_linear", "ttt_mlp", "titans_mlp", "hope_mlp"}) {
    Problem p = MakeProblem({rule, {}}, kSize).WithGate("theta", 0.0);
    const auto fresh = RuleOf({rule, {}});
    p.state = fresh->Init({1, kSize.key, kSize.value}, DType::kF64, RandomStream(1, "init"));
    if (p.seq.gates.count("log_keep")) p = p.WithGate("log_keep", 0.0);
    const Tensors out = RunForm(p, Form::kChunks, 8);
    const Tensor q = Reshape(p.seq.q, {1, kSize.time, kSize.key});
    EXPECT_LT(Distance(Reshape(out[0], {1, kSize.time, kSize.value}), fresh->Read(p.state, q)),
              1e-14)
        << rule;
  }
}

// Probabilities: rows of Memora's weights sum to 1, whatever was written.
TEST(RuleIdentities, MemorasWeightsAreProbabilities) {
  const Problem p = MakeProblem({"memora", {{"depth", 1}, {"norm", 0}, {"residual", 0}}}, kSize);
  const Tensors out = RunForm(p, Form::kChunks, 8);
  const Tensor ones = Tensor::Full({1, 1, kSize.key}, 1.0, DType::kF64);
  const Tensor sums = p.rule->Read({out[1]}, ones);
  EXPECT_LT(Distance(sums, Tensor::Full({1, 1, kSize.value}, 1.0, DType::kF64)), 1e-14);
}

// Rows keep the norms they started with.
TEST(RuleIdentities, SwigluKeepsTheNormsOfItsRows) {
  Problem p = MakeProblem({"swiglu", {}}, kSize).WithGate("lr1", 0.5);
  const Tensors out = RunForm(p, Form::kChunks, 15);
  for (int i = 0; i < 3; ++i)
    EXPECT_LT(Distance(Norm(out[1 + i], {-1}, true), Abs(p.state[6 + i])), 1e-10);
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

}  // namespace
}  // namespace palimpsest
