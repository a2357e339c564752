// That the checks of conformance/ can fail: rules with one mistake each, the check that finds it,
// and the input and the token that it names.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "conformance/checks.h"
#include "core/tape.h"
#include "gtest/gtest.h"
#include "memory_rules/linear_memory.h"
#include "memory_rules/registry.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/linalg.h"
#include "ops/reduce.h"

namespace palimpsest {
namespace {

enum Mistake {
  kNone,
  kSign,
  kLastOfChunk,
  kFuture,
  kGradient,
  kLogOfZero,
  kAnchor,
  kBatch,
  kQuadratic,
  kUnwritten,
  kDigits,
  kBf16
};

// x, whose gradient at token 2 is doubled.
Tensor WithWrongGradient(const Tensor& x) {
  return Record(Add(x, 0.0), {{x, [](const Tensor& dy) {
                                 const int64_t time = dy.dim(1), wrong = std::min<int64_t>(2, time);
                                 const Tensor part = Slice(dy, 1, wrong, std::min(wrong + 1, time));
                                 return Concat({Slice(dy, 1, 0, wrong), Mul(part, 2.0),
                                                Slice(dy, 1, std::min(wrong + 1, time), time)},
                                               1);
                               }}});
}

// The gated delta rule, but for one mistake.
class WrongRule : public LinearMemory {
 public:
  explicit WrongRule(const RuleParams& params)
      : mistake_(static_cast<Mistake>(params.at("mistake"))) {}
  std::string equation() const override { return "M_t = keep_t M_{t-1} - beta_t (..) k_t^T"; }
  std::vector<GateSpec> gates() const override {
    return {{.name = "log_keep", .kind = GateKind::kLogDecay, .init = 0.99},
            {.name = "beta", .kind = GateKind::kStrength01}};
  }

  Sequence Prepare(Sequence seq) const override {
    const int64_t time = seq.v.dim(1);
    Tensor& log_keep = seq.gates.at("log_keep");
    switch (mistake_) {
      case kFuture:
        if (time > 0) seq.v = Concat({Slice(seq.v, 1, 1, time), Slice(seq.v, 1, 0, 1)}, 1);
        break;
      case kGradient: seq.gates["beta"] = WithWrongGradient(seq.gates.at("beta")); break;
      case kLogOfZero: log_keep = Log(Exp(log_keep)); break;
      case kBatch: seq.v = Add(seq.v, Sum(seq.v, {0}, /*keep=*/true)); break;
      case kQuadratic: {  // The gradient of each slice is as long as all.
        Tensors tokens;
        for (int64_t t = 0; t < time; ++t) tokens.push_back(Slice(seq.v, 1, t, t + 1));
        if (time > 0) seq.v = Concat(tokens, 1);
        break;
      }
      case kUnwritten:
        seq.v = Add(seq.v, Mul(Tensor::Empty(seq.v.shape(), seq.v.dtype()), 0.0));
        break;
      case kDigits: seq.v = Add(Add(seq.v, 1e4), -1e4); break;
      case kBf16:
        if (seq.v.dtype() == DType::kF32)
          seq.v = Add(Cast(Cast(Add(seq.v, 8.0), DType::kBf16), DType::kF32), -8.0);
        break;
      default: break;
    }
    return seq;
  }
  State Step(const State& state, const State& anchor, const Block& x) const override {
    const Tensor m = Mul(KeepFactor(x.gates.at("log_keep")), state[0]);
    const Tensor& read = mistake_ == kAnchor ? anchor[0] : m;
    const Tensor error = Sub(MatMul(x.k, read, {.b = true}), x.v);
    return {Sub(m, Mul(Column(x.gates.at("beta")), MatMul(error, x.k, {.a = true})))};
  }
  LinearUpdate Update(const Rows& x, const State&) const override {
    const Tensor &beta = x.gates.at("beta"), &log_keep = x.gates.at("log_keep");
    const Tensor write = mistake_ == kSign ? Neg(beta) : beta;
    return {.log_keep = log_keep,
            .erase = {x.k, Mul(Exp(log_keep), beta)},
            .write = {x.v, write},
            .key = x.k};
  }
  // Forgets to read the last token of a chunk of 16.
  ScanResult Chunks(const Sequence& seq, State state, State anchor, int64_t chunk,
                    int64_t phase) const override {
    ScanResult r = LinearMemory::Chunks(seq, std::move(state), std::move(anchor), chunk, phase);
    const int64_t time = r.y.dim(1);
    if (mistake_ == kLastOfChunk && time > 15)
      r.y = Concat({Slice(r.y, 1, 0, 15), Mul(Slice(r.y, 1, 15, 16), 0.0), Slice(r.y, 1, 16, time)},
                   1);
    return r;
  }

 private:
  const Mistake mistake_;
};
PALIMPSEST_MEMORY_RULE("wrong", WrongRule,
                       {.name = "mistake", .value = 0, .min = 0, .max = kBf16, .integer = true});

struct Row {
  Mistake mistake;
  std::string check, what, where;  // Of a failure; `where` contains this.
  std::optional<int64_t> step;
};

Measurements Measure(Mistake mistake, const Check& check) {
  Measurements found;
  check.run({"wrong", {{"mistake", mistake}}}, {}, &found);
  return found;
}

TEST(WrongRules, WithoutAMistakeAllChecksPass) {
  for (const Check& check : Checks())
    for (const Measurement& failure : Failures(Measure(kNone, check)))
      ADD_FAILURE() << check.name << ": " << Describe(failure);
}

TEST(WrongRules, EachIsFoundByItsCheckAndNamed) {
  const std::vector<Row> rows = {
      {kSign, "chunks", "state M", "chunks of", -1},
      {kLastOfChunk, "chunks", "y", "chunks of", 15},
      {kLastOfChunk, "backward", "gradient of q", "chunks of", 15},
      {kFuture, "causal", "y before another v", "token 1 changed", 0},
      {kGradient, "gradient", "gradient of gate beta", "11 tokens", 2},
      {kGradient, "second", "gradient of the gradients in gate beta", "5 tokens", -1},
      {kLogOfZero, "extremes", "gradient of gate log_keep not finite", "gate log_keep -10000", 0},
      {kAnchor, "split", "y", "split at 5", 32},
      {kBatch, "batch", "y", "steps", 2},
      {kQuadratic, "linear", "operations", "256 tokens", -1},
      {kUnwritten, "poison", "y", "steps", 0},
      {kDigits, "f32", "y", "80 tokens", {}},
      {kBf16, "bf16", "y", "80 tokens", {}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.mistake);
    const auto check = std::find_if(Checks().begin(), Checks().end(),
                                    [&](const Check& c) { return c.name == row.check; });
    ASSERT_NE(check, Checks().end());
    const Measurements found = Failures(Measure(row.mistake, *check));
    const auto failure = std::find_if(found.begin(), found.end(),
                                      [&](const Measurement& m) { return m.what == row.what; });
    ASSERT_NE(failure, found.end()) << row.check << " finds nothing in " << row.what;
    EXPECT_NE(failure->where.find(row.where), std::string::npos) << Describe(*failure);
    EXPECT_EQ(failure->step, row.step.value_or(failure->step)) << Describe(*failure);
  }
}

}  // namespace
}  // namespace palimpsest
