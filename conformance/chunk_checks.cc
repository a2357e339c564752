#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "conformance/checks.h"
#include "conformance/rounding.h"

namespace palimpsest {
namespace {

constexpr double kGradient = 1e-6, kSecondGradient = 1e-5;

// Whether the form is to be held against the steps on the CPU: if it is not these.
bool Compares(const CheckScope& at, Form form) {
  return form != Form::kSteps || (at.device != Device::kCpu && !at.brief);
}

// dx but for what belongs to other tokens.
Tensor AtToken(const Tensor& dx, int64_t tokens, int64_t token) {
  std::vector<double> values = dx.ToVector();
  const int64_t time = dx.dim(1), each = time / tokens;
  const int64_t row = dx.size() / (dx.dim(0) * time);
  for (size_t i = 0; i < values.size(); ++i) {
    if (static_cast<int64_t>(i) / row % time / each != token) values[i] = 0.0;
  }
  return Tensor::FromVector(dx.shape(), values, dx.dtype());
}

// The token at which the slope along dx is most wrong.
int64_t WorstToken(const Tensors& gradients, const Function& f, const Tensor& x, const Tensor& dx,
                   const Tensors& dys, int64_t tokens) {
  std::pair<double, int64_t> worst = {-1.0, -1};
  for (int64_t t = 0; t < tokens; ++t) {
    const double error = SlopeAlong(gradients, f, {x}, {AtToken(dx, tokens, t)}, dys).Error();
    if (!(error <= worst.first)) worst = {error, t};
  }
  return worst.second;
}

}  // namespace

void CheckChunks(const RuleConfig& rule, const CheckScope& at, Measurements* out) {
  for (int64_t time : at.Of({1, 2, 3, 15, 16, 17, 63, 64, 65, 100}, {1, 17, 65})) {
    const Problem p =
        MakeProblem(rule, {.batch = 1, .time = time, .heads = 2, .key = 9, .value = 8});
    const Problem there = p.CopyTo(at.device);
    for (int64_t chunk : at.Of({1, 3, 16, 64}, {16, 64})) {
      const Results steps = Outputs(p, RunForm(p, Form::kSteps, chunk));
      const Moved moved(p, 0x1p-53, steps, [chunk](const Problem& rounded) {
        return Outputs(rounded, RunForm(rounded, Form::kSteps, chunk));
      });
      for (Form form : kForms) {
        if (!Compares(at, form)) continue;
        Compare(Outputs(p, RunForm(there, form, chunk)), steps, Where(form, chunk, time), kExact,
                moved, out);
      }
    }
  }
}

void CheckSizes(const RuleConfig& rule, const CheckScope& at, Measurements* out) {
  const std::vector<int64_t> sizes = at.Of({1, 16, 60, 64, 100, 128}, {1, 60, 100});
  for (int64_t key : sizes) {
    for (int64_t value : sizes) {
      // Each size for some chunks, and with every other for a few tokens.
      const int64_t time = key == value ? 17 : 5, chunk = key == value ? 16 : 4;
      const Problem p =
          MakeProblem(rule, {.batch = 1, .time = time, .heads = 1, .key = key, .value = value});
      Compare(Outputs(p, RunForm(p.CopyTo(at.device), Form::kChunks, chunk)),
              Outputs(p, RunForm(p, Form::kSteps, chunk)),
              absl::StrCat("keys of ", key, ", values of ", value, ", ",
                           Where(Form::kChunks, chunk, time)),
              kExact, out);
    }
  }
  for (const ProblemSize& size :
       {ProblemSize{.time = 0}, ProblemSize{.batch = 0}, ProblemSize{.batch = 0, .time = 0}}) {
    const Problem p = MakeProblem(rule, size);
    const Shape& v = p.seq.v.shape();
    Tensors same = {Tensor::Full({v[0], p.seq.q.dim(1), v[2], v[3]}, 0.0, DType::kF64)};
    same.insert(same.end(), p.state.begin(), p.state.end());
    for (Form form : {Form::kSteps, Form::kChunks}) {
      Compare(
          Outputs(p, RunForm(p.CopyTo(at.device), form, 16)), Outputs(p, same),
          absl::StrCat(NameOf(form), ", a batch of ", size.batch, " with ", size.time, " tokens"),
          0.0, out);
    }
  }
}

void CheckGradients(const RuleConfig& rule, const CheckScope& at, Measurements* out) {
  constexpr int64_t kTime = 11, kChunk = 4;
  const Problem p =
      MakeProblem(rule, {.batch = 1, .time = kTime, .heads = 2, .key = 3, .value = 4});
  const Tensors inputs = p.Inputs();
  const std::vector<std::string> names = p.InputNames();
  for (Form form : kForms) {
    if (at.brief && form != Form::kChunks) continue;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const auto of_input = [=](const Problem& problem) {
        return [=, all = problem.Inputs()](const Tensors& x) {
          Tensors changed = all;
          changed[i] = x[0];
          return RunForm(problem.With(changed), form, kChunk);
        };
      };
      const Function f = of_input(p);
      const Tensors x = {inputs[i]}, dx = RandomLike(x, i + 1), dys = RandomLike(f(x), i);
      const Tensors gradients = Gradients(of_input(p.CopyTo(at.device)), CopyAllTo(x, at.device),
                                          CopyAllTo(dys, at.device));
      Measurement m{"gradient of " + names[i], Where(form, kChunk, kTime),
                    SlopeAlong(gradients, f, x, dx, dys).Error(), kGradient};
      if (!m.ok() && IsTimed(names[i])) m.step = WorstToken(gradients, f, x[0], dx[0], dys, kTime);
      out->push_back(std::move(m));
    }
  }
}

void CheckChunkGradients(const RuleConfig& rule, const CheckScope& at, Measurements* out) {
  for (const auto& size : {std::pair<int64_t, int64_t>{65, 64}, {50, 16}, {17, 1}}) {
    const int64_t time = size.first, chunk = size.second;
    if (at.brief && chunk != 16) continue;
    const Problem p =
        MakeProblem(rule, {.batch = 1, .time = time, .heads = 2, .key = 6, .value = 5});
    const Results steps = WithGradients(p, Form::kSteps, chunk);
    for (Form form : kForms) {
      if (!Compares(at, form)) continue;
      const std::string where = Where(form, chunk, time);
      const Results results = WithGradients(p.CopyTo(at.device), form, chunk);
      MeasureDevice(results, at.device, where, out);
      Compare(results, steps, where, kExact, out);
    }
  }
}

void CheckSecondGradients(const RuleConfig& rule, const CheckScope& at, Measurements* out) {
  constexpr int64_t kTime = 5, kChunk = 3;
  const Problem p =
      MakeProblem(rule, {.batch = 1, .time = kTime, .heads = 1, .key = 2, .value = 3});
  for (Form form : kForms) {
    const Function f = [&](const Tensors& x) { return RunForm(p.With(x), form, kChunk); };
    Tensors x = p.Inputs();
    const Function gradient = GradientOf(f, x.size());
    for (const Tensor& dy : RandomLike(f(x), 2)) x.push_back(dy);
    const Tensors all = RandomLike(x, 1), cotangents = RandomLike(gradient(x), 0),
                  second = Gradients(gradient, CopyAllTo(x, at.device),
                                     CopyAllTo(cotangents, at.device));
    const auto measure = [&](const std::string& what, const Tensors& dx) {
      return Measurement{what, Where(form, kChunk, kTime),
                         SlopeAlong(second, gradient, x, dx, cotangents).Error(), kSecondGradient};
    };
    Measurement m = measure("gradient of the gradients", all);
    // Which input it is of, where it is wrong.
    for (size_t i = 0; !m.ok() && i < p.InputNames().size(); ++i) {
      Tensors dx(x.size());
      dx[i] = all[i];
      const Measurement one = measure("gradient of the gradients in " + p.InputNames()[i], dx);
      if (!one.ok()) out->push_back(one);
    }
    out->push_back(std::move(m));
  }
}

}  // namespace palimpsest
