// What every memory rule must be, rule by rule: its chunks are its steps, whatever the sizes,
// splits, packing and gates.
#include <algorithm>
#include <string>

#include "core/allocator.h"
#include "gtest/gtest.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "tests/gradcheck.h"
#include "tests/rule_problem.h"

namespace palimpsest {
namespace {

constexpr double kExact = 1e-12;
constexpr double kRoundings = 100;
constexpr Form kForms[] = {Form::kSteps, Form::kChunks, Form::kComposed};

std::string NameOf(Form form) {
  return form == Form::kSteps ? "steps" : form == Form::kChunks ? "chunks" : "composed chunks";
}

class RuleConformance : public testing::TestWithParam<RuleConfig> {
 protected:
  Problem Make(const ProblemSize& size, uint64_t seed = 0) const {
    return MakeProblem(GetParam(), size, seed);
  }
};

// A rounding of the inputs relative to their size, to see what roundings do to a result.
Problem Rounded(const Problem& p, double epsilon) {
  Tensors inputs = p.Inputs();
  const Tensors noise = RandomLike(inputs, 99);
  for (size_t i = 0; i < inputs.size(); ++i)
    inputs[i] = Add(inputs[i], Mul(Mul(inputs[i], noise[i]), epsilon));
  return p.With(inputs);
}

// Within 1e-12, or as near as some roundings of the inputs put the steps: the networks with a norm
// magnify them without bound where they reach zero.
TEST_P(RuleConformance, ChunksAreTheSteps) {
  for (int64_t time : {1, 2, 3, 15, 16, 17, 63, 64, 65, 100}) {
    const Problem p = Make({.batch = 1, .time = time, .heads = 2, .key = 9, .value = 8});
    const Problem rounded = Rounded(p, 0x1p-53);
    for (int64_t chunk : {1, 3, 16, 64}) {
      const Tensors steps = RunForm(p, Form::kSteps, chunk);
      const double conditioning = LargestDistance(RunForm(rounded, Form::kSteps, chunk), steps);
      for (Form form : {Form::kChunks, Form::kComposed}) {
        EXPECT_LT(LargestDistance(RunForm(p, form, chunk), steps),
                  std::max(kExact, kRoundings * conditioning))
            << NameOf(form) << ": " << time << " in " << chunk;
      }
    }
  }
}

TEST_P(RuleConformance, AnySizes) {
  for (int64_t key : {1, 16, 60, 64, 100, 128}) {
    for (int64_t value : {1, 16, 60, 64, 100, 128}) {
      const Problem p = Make({.batch = 1, .time = 19, .heads = 1, .key = key, .value = value});
      EXPECT_LT(LargestDistance(RunForm(p, Form::kChunks, 16), RunForm(p, Form::kSteps, 16)),
                kExact)
          << key << " to " << value;
    }
  }
}

TEST_P(RuleConformance, NoTokens) {
  for (const ProblemSize& size :
       {ProblemSize{.time = 0}, ProblemSize{.batch = 0}, ProblemSize{.batch = 0, .time = 0}}) {
    const Problem p = Make(size);
    for (Form form : {Form::kSteps, Form::kChunks}) {
      const Tensors out = RunForm(p, form, 16);
      const Shape& v = p.seq.v.shape();
      EXPECT_EQ(out[0].shape(), Shape({v[0], p.seq.q.dim(1), v[2], v[3]}));
      EXPECT_EQ(LargestDistance(Tensors(out.begin() + 1, out.end()), p.state), 0.0);
    }
  }
}

// Of y and the final state, with respect to each input by itself.
TEST_P(RuleConformance, Gradients) {
  const Problem p = Make({.batch = 1, .time = 11, .heads = 2, .key = 3, .value = 4});
  const Tensors inputs = p.Inputs();
  for (Form form : kForms) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      SCOPED_TRACE(p.InputNames()[i] + " of " + NameOf(form));
      const auto f = [&](const Tensors& x) {
        Tensors all = inputs;
        all[i] = x[0];
        return RunForm(p.With(all), form, 4);
      };
      CheckGradient(f, {inputs[i]}, 1e-6, i);
    }
  }
}

TEST_P(RuleConformance, SecondGradients) {
  const Problem p = Make({.batch = 1, .time = 5, .heads = 1, .key = 2, .value = 3});
  for (Form form : kForms) {
    SCOPED_TRACE(NameOf(form));
    CheckSecondGradient([&](const Tensors& x) { return RunForm(p.With(x), form, 3); }, p.Inputs(),
                        1e-5);
  }
}

// The gradients of the chunks are those of the steps, where finite differences would take too long.
TEST_P(RuleConformance, GradientsOfChunksAreThoseOfSteps) {
  for (const auto& size : {std::pair<int64_t, int64_t>{65, 64}, {50, 16}, {17, 1}}) {
    const int64_t time = size.first, chunk = size.second;
    const Problem p = Make({.batch = 1, .time = time, .heads = 2, .key = 6, .value = 5});
    const auto gradients = [&](Form form) {
      const Function f = [&p, form, chunk](const Tensors& x) {
        return RunForm(p.With(x), form, chunk);
      };
      return Gradients(f, p.Inputs(), RandomLike(RunForm(p, form, chunk), 1));
    };
    EXPECT_LT(LargestDistance(gradients(Form::kChunks), gradients(Form::kSteps)), 1e-11)
        << time << " in " << chunk;
  }
}

// The state, and for rules with an anchor that too, carried over any split: the result of one pass.
TEST_P(RuleConformance, AnySplit) {
  const Problem p = Make({.time = 37});
  for (ScanMode mode : {ScanMode::kSteps, ScanMode::kChunks}) {
    const ScanOptions options{.mode = mode, .chunk = 16};
    const Tensors whole = Flat(Scan(*p.rule, p.seq, p.state, options));
    for (int64_t split : {0, 1, 5, 15, 16, 17, 32, 36, 37}) {
      const ScanResult first = Scan(*p.rule, p.Tokens(0, split), p.state, options);
      ScanOptions later = options;
      later.phase = split % 16, later.anchor = first.anchor;
      ScanResult second = Scan(*p.rule, p.Tokens(split, 37), first.state, later);
      second.y = Concat({first.y, second.y}, 1);
      EXPECT_LT(LargestDistance(Flat(second), whole), kExact) << "split at " << split;
    }
  }
}

TEST_P(RuleConformance, TokenByToken) {
  const Problem p = Make({.batch = 1, .time = 21});
  ScanResult r{{}, p.state, p.state};
  Tensors ys;
  for (int64_t t = 0; t < 21; ++t) {
    r = Scan(*p.rule, p.Tokens(t, t + 1), r.state,
             {.chunk = 8, .phase = t % 8, .anchor = r.anchor});
    ys.push_back(r.y);
  }
  r.y = Concat(ys, 1);
  EXPECT_LT(LargestDistance(Flat(r), RunForm(p, Form::kChunks, 8)), kExact);
}

TEST_P(RuleConformance, PackedIsSeparate) {
  const std::vector<int64_t> lengths = {5, 0, 17, 1, 0, 16, 0};
  Problem packed = Make({.batch = 1, .time = 39, .heads = 2});
  packed.state = Make({.batch = 7, .time = 1, .heads = 2}).state;
  packed.seq.cu_seqlens = Tensor::From<int32_t>({8}, {0, 5, 5, 22, 23, 23, 39, 39});
  for (ScanMode mode : {ScanMode::kSteps, ScanMode::kChunks}) {
    const ScanOptions options{.mode = mode, .chunk = 16};
    const ScanResult all = Scan(*packed.rule, packed.seq, packed.state, options);
    for (int64_t i = 0, begin = 0; i < 7; begin += lengths[i++]) {
      const Sequence one = packed.Tokens(begin, begin + lengths[i]);
      const auto rows = [&](State state) {
        for (Tensor& s : state) s = Slice(s, 0, 2 * i, 2 * i + 2);
        return state;
      };
      const ScanResult separate = Scan(*packed.rule, one, rows(packed.state), options);
      EXPECT_TRUE(SameBits(Slice(all.y, 1, begin, begin + lengths[i]), separate.y))
          << "sequence " << i;
      EXPECT_EQ(LargestDistance(rows(all.state), separate.state), 0.0) << "sequence " << i;
    }
  }
}

TEST_P(RuleConformance, BatchOfTwoIsTwoBatches) {
  const Problem p = Make({.batch = 2, .time = 19, .heads = 3});
  for (Form form : kForms) {
    const Tensors both = RunForm(p, form, 16);
    for (int64_t b : {0, 1}) {
      Tensors inputs = p.Inputs();
      for (Tensor& x : inputs) x = Slice(x, 0, b * x.dim(0) / 2, (b + 1) * x.dim(0) / 2);
      Tensors halves = both;
      for (Tensor& x : halves) x = Slice(x, 0, b * x.dim(0) / 2, (b + 1) * x.dim(0) / 2);
      EXPECT_EQ(LargestDistance(RunForm(p.With(inputs), form, 16), halves), 0.0) << NameOf(form);
    }
  }
}

TEST_P(RuleConformance, KeyHeadsServeGroups) {
  const Problem p = Make({.batch = 2, .time = 18, .heads = 6, .key_heads = 2});
  Problem spread = p;
  for (Tensor* x : {&spread.seq.q, &spread.seq.k}) {
    Tensors heads;
    for (int64_t h = 0; h < 6; ++h) heads.push_back(Slice(*x, 2, h / 3, h / 3 + 1));
    *x = Concat(heads, 2);
  }
  EXPECT_EQ(LargestDistance(RunForm(p, Form::kChunks, 16), RunForm(spread, Form::kChunks, 16)),
            0.0);
  EXPECT_EQ(LargestDistance(RunForm(p, Form::kSteps, 16), RunForm(spread, Form::kSteps, 16)), 0.0);
}

// Another token j leaves what was read before it as it was, to the bit.
TEST_P(RuleConformance, Causal) {
  const Problem p = Make({.batch = 1, .time = 40});
  const Problem other = Make({.batch = 1, .time = 40}, 7);
  for (Form form : kForms) {
    for (int64_t chunk : {16, 64}) {
      const Tensor y = RunForm(p, form, chunk)[0];
      for (int64_t j : {1, 8, 16, 23, 39}) {
        Tensors inputs = p.Inputs();
        for (size_t i = 0; i < 3 + p.seq.gates.size(); ++i) {
          const int64_t each = inputs[i].dim(1) / 40, end = (j + 1) * each;
          inputs[i] =
              Concat({Slice(inputs[i], 1, 0, j * each), Slice(other.Inputs()[i], 1, j * each, end),
                      Slice(inputs[i], 1, end, 40 * each)},
                     1);
        }
        const Tensor changed = RunForm(p.With(inputs), form, chunk)[0];
        EXPECT_TRUE(SameBits(Slice(changed, 1, 0, j), Slice(y, 1, 0, j)))
            << NameOf(form) << " token " << j;
        EXPECT_GT(Distance(Slice(changed, 1, j, j + 1), Slice(y, 1, j, j + 1)), 1e-3);
      }
    }
  }
}

std::vector<double> Extremes(GateKind kind) {
  if (kind == GateKind::kLogDecay) return {0.0, -20.0, -1e4};
  const bool strength = kind == GateKind::kStrength01 || kind == GateKind::kStrength02;
  return strength ? std::vector<double>{0.0, 1.0, 2.0} : std::vector<double>{0.0, 1.0};
}

TEST_P(RuleConformance, ExtremeGatesStayFinite) {
  const Problem normal = Make({.batch = 1, .time = 35, .heads = 1});
  for (const GateSpec& spec : normal.rule->gates()) {
    for (double value : Extremes(spec.kind)) {
      for (DType dtype : {DType::kF64, DType::kF32}) {
        const Problem p = normal.WithGate(spec.name, value).CastTo(dtype);
        const auto all = [](const Problem& problem, Form form) {
          const Function f = [&](const Tensors& x) { return RunForm(problem.With(x), form, 16); };
          Tensors xs = f(problem.Inputs());
          const Tensors gradients = Gradients(f, problem.Inputs(), RandomLike(xs, 1));
          xs.insert(xs.end(), gradients.begin(), gradients.end());
          return xs;
        };
        const Tensors steps = all(p, Form::kSteps);
        const double conditioning =
            dtype == DType::kF64 ? LargestDistance(all(Rounded(p, 0x1p-53), Form::kSteps), steps)
                                 : 0.0;
        for (Form form : kForms) {
          SCOPED_TRACE(spec.name + " " + std::to_string(value) + " in " + NameOf(form));
          const Tensors xs = all(p, form);
          EXPECT_TRUE(AllFinite(xs));
          if (dtype == DType::kF64) {
            EXPECT_LT(LargestDistance(xs, steps), std::max(1e-10, kRoundings * conditioning));
          }
        }
      }
    }
  }
}

TEST_P(RuleConformance, ReadsNothingItDidNotWrite) {
  const Problem p = Make({.time = 21});
  for (Form form : kForms) {
    const Function f = [&](const Tensors& x) { return RunForm(p.With(x), form, 16); };
    const auto all = [&] {
      Tensors xs = f(p.Inputs());
      const Tensors gradients = Gradients(f, p.Inputs(), RandomLike(xs, 1));
      xs.insert(xs.end(), gradients.begin(), gradients.end());
      return xs;
    };
    const Tensors clean = all();
    Allocator::Of(Device::kCpu).SetPoison(true);
    const Tensors poisoned = all();
    Allocator::Of(Device::kCpu).SetPoison(false);
    for (size_t i = 0; i < clean.size(); ++i)
      EXPECT_TRUE(SameBits(clean[i], poisoned[i])) << NameOf(form) << " " << i;
  }
}

// Within 1e-5, or as near as some roundings of the inputs put f64.
TEST_P(RuleConformance, F32IsNearF64) {
  const Problem p = Make({.batch = 1, .time = 80, .heads = 2, .key = 16, .value = 16});
  const Problem rounded = p.CastTo(DType::kF32), exact = rounded.CastTo(DType::kF64);
  for (Form form : {Form::kSteps, Form::kChunks}) {
    const auto all = [&](const Problem& problem, const Tensors& dys) {
      const Function f = [&](const Tensors& x) { return RunForm(problem.With(x), form, 16); };
      Tensors xs = f(problem.Inputs());
      const Tensors gradients = Gradients(f, problem.Inputs(), dys);
      xs.insert(xs.end(), gradients.begin(), gradients.end());
      return xs;
    };
    Tensors dys = RandomLike(RunForm(rounded, form, 16), 1), exact_dys;
    for (const Tensor& dy : dys) exact_dys.push_back(Cast(dy, DType::kF64));
    const Tensors reference = all(exact, exact_dys);
    const double conditioning = LargestDistance(all(p, exact_dys), reference);
    EXPECT_LT(LargestDistance(all(rounded, dys), reference),
              std::max(1e-5, kRoundings * conditioning))
        << NameOf(form) << "; roundings move it by " << conditioning;
  }
}

TEST_P(RuleConformance, Bf16TokensWithF32State) {
  const Problem p = Make({.time = 20}).CastTo(DType::kF32);
  Problem low = p;
  for (Tensor* x : {&low.seq.q, &low.seq.k, &low.seq.v}) *x = Cast(*x, DType::kBf16);
  Problem same = low;
  for (Tensor* x : {&same.seq.q, &same.seq.k, &same.seq.v}) *x = Cast(*x, DType::kF32);
  const ScanResult a = Scan(*p.rule, low.seq, p.state), b = Scan(*p.rule, same.seq, p.state);
  EXPECT_TRUE(SameBits(a.y, Cast(b.y, DType::kBf16)));
  EXPECT_EQ(LargestDistance(a.state, b.state), 0.0);
}

INSTANTIATE_TEST_SUITE_P(Rules, RuleConformance, testing::ValuesIn(SuiteRows()),
                         [](const auto& info) { return RowName(info.param); });

}  // namespace
}  // namespace palimpsest
