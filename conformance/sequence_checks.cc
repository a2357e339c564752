#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "conformance/checks.h"
#include "conformance/rounding.h"
#include "ops/flop_count.h"
#include "ops/layout.h"

namespace palimpsest {
namespace {

// Scans what lies between `bounds` one after the other, as a stream would come.
ScanResult InParts(const Problem& p, const std::vector<int64_t>& bounds, ScanOptions options) {
  ScanResult r{{}, p.state, {}};
  Tensors ys;
  for (size_t i = 0; i + 1 < bounds.size(); ++i) {
    options.phase = bounds[i] % options.chunk, options.anchor = r.anchor;
    r = Scan(*p.rule, p.Tokens(bounds[i], bounds[i + 1]), r.state, options);
    ys.push_back(r.y);
  }
  r.y = Concat(ys, 1);
  return r;
}

// What `run` makes of the problem, as a function of its inputs.
template <typename Run>
Function OfInputs(const Problem& p, Run run) {
  return [=](const Tensors& inputs) { return run(p.With(inputs)); };
}

std::vector<int64_t> AllTokens(int64_t time) {
  std::vector<int64_t> bounds;
  for (int64_t t = 0; t <= time; ++t) bounds.push_back(t);
  return bounds;
}

// `inputs` with token j of the inputs [begin, end) from `others`.
Tensors WithToken(Tensors inputs, const Tensors& others, size_t begin, size_t end, int64_t tokens,
                  int64_t j) {
  for (size_t i = begin; i < end; ++i) {
    const int64_t time = inputs[i].dim(1), each = time / tokens;
    inputs[i] =
        Concat({Slice(inputs[i], 1, 0, j * each), Slice(others[i], 1, j * each, (j + 1) * each),
                Slice(inputs[i], 1, (j + 1) * each, time)},
               1);
  }
  return inputs;
}

}  // namespace

void CheckSplits(const RuleConfig& rule, const CheckScope& at, Measurements* out) {
  constexpr int64_t kTime = 37, kChunk = 16;
  const Problem p = MakeProblem(rule, {.time = kTime}).CopyTo(at.device);
  for (Form form : {Form::kSteps, Form::kChunks}) {
    if (at.Skips(form)) continue;
    const ScanMode mode = form == Form::kSteps ? ScanMode::kSteps : ScanMode::kChunks;
    const Results whole = WithGradients(p, form, kChunk);
    const auto measure = [&](const std::vector<int64_t>& bounds, const std::string& split) {
      const auto parts = OfInputs(p, [=](const Problem& problem) {
        return Flat(InParts(problem, bounds, {.mode = mode, .chunk = kChunk}));
      });
      Compare(WithGradients(p, parts), whole,
              absl::StrCat(Where(form, kChunk, kTime), ", split ", split), kExact, out);
    };
    for (int64_t split : at.Of({0, 1, 5, 15, 16, 17, 32, 36, 37}, {5, 16}))
      measure({0, split, kTime}, absl::StrCat("at ", split));
    if (!at.brief) measure(AllTokens(kTime), "at every token");
  }
  // Inside a chunk, a rule with an anchor needs it, and another needs none.
  const absl::Status without = ValidateScan(*p.rule, p.Tokens(5, kTime), p.state, {.phase = 5});
  out->push_back(
      {p.rule->anchored() ? "a split without its anchor passes" : "a split needs an anchor",
       "split at 5", without.ok() == p.rule->anchored() ? 1.0 : 0.0, 0.0});
}

// Of the same sums for each sequence, however many there are. Libraries on a device choose by how
// many there are in which order they add.
double SameWork(const CheckScope& at) { return at.device == Device::kCpu ? 0.0 : kExact; }

void CheckPacked(const RuleConfig& rule, const CheckScope& at, Measurements* out) {
  constexpr int64_t kTime = 39, kChunk = 16, kHeads = 2;
  const std::vector<int32_t> bounds = {0, 5, 5, 22, 23, 23, 39, 39};
  const auto sequences = static_cast<int64_t>(bounds.size()) - 1;
  Problem p = MakeProblem(rule, {.batch = 1, .time = kTime, .heads = kHeads});
  p.state = MakeProblem(rule, {.batch = sequences, .time = 1, .heads = kHeads}).state;
  p = p.CopyTo(at.device);
  p.seq.cu_seqlens = Tensor::From<int32_t>({sequences + 1}, bounds);
  for (Form form : {Form::kSteps, Form::kChunks}) {
    if (at.Skips(form)) continue;
    const auto separate = OfInputs(p, [&](const Problem& packed) {
      std::vector<Tensors> parts(1 + packed.state.size());
      for (int64_t i = 0; i < sequences; ++i) {
        Problem one{packed.rule, packed.Tokens(bounds[i], bounds[i + 1]), {}};
        for (const Tensor& s : packed.state)
          one.state.push_back(Slice(s, 0, kHeads * i, kHeads * (i + 1)));
        const Tensors outputs = RunForm(one, form, kChunk);
        for (size_t j = 0; j < outputs.size(); ++j) parts[j].push_back(outputs[j]);
      }
      Tensors joined;
      for (size_t j = 0; j < parts.size(); ++j) joined.push_back(Concat(parts[j], j == 0 ? 1 : 0));
      return joined;
    });
    Compare(WithGradients(p, form, kChunk), WithGradients(p, separate),
            absl::StrCat(Where(form, kChunk, kTime), " of ", sequences, " sequences"), SameWork(at),
            out);
  }
}

void CheckBatch(const RuleConfig& rule, const CheckScope& at, Measurements* out) {
  constexpr int64_t kTime = 19, kChunk = 16;
  const Problem p = MakeProblem(rule, {.batch = 2, .time = kTime, .heads = 3}).CopyTo(at.device);
  for (Form form : kForms) {
    if (at.Skips(form)) continue;
    const auto one_by_one = OfInputs(p, [=](const Problem& both) {
      const Tensors first = RunForm(both.Batch(0, 1), form, kChunk);
      const Tensors second = RunForm(both.Batch(1, 2), form, kChunk);
      Tensors joined;
      for (size_t i = 0; i < first.size(); ++i) joined.push_back(Concat({first[i], second[i]}, 0));
      return joined;
    });
    Compare(WithGradients(p, form, kChunk), WithGradients(p, one_by_one),
            Where(form, kChunk, kTime), SameWork(at), out);
  }
}

void CheckHeads(const RuleConfig& rule, const CheckScope& at, Measurements* out) {
  constexpr int64_t kTime = 18, kChunk = 16, kHeads = 6, kKeyHeads = 2;
  const Problem p =
      MakeProblem(rule, {.batch = 2, .time = kTime, .heads = kHeads, .key_heads = kKeyHeads})
          .CopyTo(at.device);
  for (Form form : kForms) {
    if (at.Skips(form)) continue;
    const auto spread = OfInputs(p, [=](Problem problem) {
      for (Tensor* x : {&problem.seq.q, &problem.seq.k}) {
        Tensors heads;
        for (int64_t h = 0; h < kHeads; ++h) {
          const int64_t group = h / (kHeads / kKeyHeads);
          heads.push_back(Slice(*x, 2, group, group + 1));
        }
        *x = Concat(heads, 2);
      }
      return RunForm(problem, form, kChunk);
    });
    Compare(
        WithGradients(p, form, kChunk), WithGradients(p, spread),
        absl::StrCat(Where(form, kChunk, kTime), ", ", kHeads, " heads of ", kKeyHeads, " keys"),
        kExact, out);
  }
}

void CheckCausality(const RuleConfig& rule, const CheckScope& at, Measurements* out) {
  constexpr int64_t kTime = 40;
  constexpr double kMoves = 1e-3;  // At least, for a token to count as another.
  const auto problem = [&](uint64_t seed) {
    return MakeProblem(rule, {.batch = 1, .time = kTime}, seed).CopyTo(at.device);
  };
  const Problem p = problem(0);
  const Tensors inputs = p.Inputs(), others = problem(7).Inputs();
  const std::vector<std::string> names = p.InputNames();
  const size_t timed = 3 + p.seq.gates.size();
  for (Form form : kForms) {
    if (at.Skips(form)) continue;
    for (int64_t chunk : at.Of({16, 64}, {16})) {
      const Tensor y = RunForm(p, form, chunk)[0];
      for (int64_t j : at.Of({1, 8, 16, 23, 39}, {8, 23})) {
        const auto changed = [&](size_t begin, size_t end) {
          return RunForm(p.With(WithToken(inputs, others, begin, end, kTime, j)), form, chunk)[0];
        };
        const auto measure = [&](const std::string& what, const Tensor& got, Measurements* to) {
          const Results before = {{what, Slice(y, 1, 0, j), true}};
          CompareBits({{what, Slice(got, 1, 0, j), true}}, before,
                      absl::StrCat(Where(form, chunk, kTime), ", token ", j, " changed"), to);
          return to->back().ok();
        };
        const Tensor all = changed(0, timed);
        const bool ok = measure("y before another token", all, out);
        // Which input it is of, where it is wrong.
        for (size_t i = 0; !ok && i < timed; ++i) {
          Measurements one;
          if (!measure("y before another " + names[i], changed(i, i + 1), &one))
            out->push_back(one[0]);
        }
        const bool moves = Distance(Slice(all, 1, j, j + 1), Slice(y, 1, j, j + 1)) > kMoves;
        out->push_back({"y of another token stays", Where(form, chunk, kTime), moves ? 0.0 : 1.0,
                        0.0, moves ? -1 : j});
      }
    }
  }
}

void CheckWork(const RuleConfig& rule, const CheckScope& at, Measurements* out) {
  constexpr int64_t kChunk = 16, kTimes = 4;
  const int64_t base = at.brief ? kChunk : 4 * kChunk;
  constexpr double kMore = 0.05;  // Of what the ends of a sequence have more or less.
  for (Form form : kForms) {
    if (at.Skips(form)) continue;
    const auto flops = [&](int64_t time) {
      const Problem p = MakeProblem(rule, {.batch = 1, .time = time, .heads = 1}).CopyTo(at.device);
      const FlopCount count;
      WithGradients(p, form, kChunk);
      return static_cast<double>(count.flops());
    };
    const double more = flops(kTimes * base) / (kTimes * flops(base)) - 1.0;
    out->push_back({"operations", Where(form, kChunk, kTimes * base), std::max(0.0, more), kMore});
  }
}

}  // namespace palimpsest
