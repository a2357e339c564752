#include "conformance/measure.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/tape.h"

namespace palimpsest {
namespace {

// How bad a measurement is, as a factor of its bound.
double Badness(const Measurement& m) {
  if (std::isnan(m.value)) return std::numeric_limits<double>::infinity();
  if (m.value == 0.0) return 0.0;
  return m.bound == 0.0 ? std::numeric_limits<double>::infinity() : m.value / m.bound;
}

// The token of which `result` has element `index`.
int64_t StepOf(const Result& result, int64_t tokens, int64_t index) {
  if (!result.timed || tokens == 0) return -1;
  const Shape& shape = result.value.shape();
  int64_t row = 1;
  for (size_t axis = 2; axis < shape.size(); ++axis) row *= shape[axis];
  return index / row % shape[1] / (shape[1] / tokens);
}

// The token whose element has the largest badness(i); one that is NaN is the worst there is.
int64_t WorstStep(const Result& result, int64_t tokens,
                  absl::FunctionRef<double(int64_t)> badness) {
  int64_t at = 0;
  double worst = -1.0;
  for (int64_t i = 0; i < result.value.size(); ++i) {
    const double bad = badness(i);
    if (std::isnan(bad)) return StepOf(result, tokens, i);
    if (bad > worst) worst = bad, at = i;
  }
  return StepOf(result, tokens, at);
}

int64_t TokensOf(const Results& results) { return results.at(0).value.dim(1); }

void CheckSameNames(const Results& a, const Results& b) {
  PALIMPSEST_CHECK(a.size() == b.size()) << a.size() << " results, " << b.size();
}

Tensors Values(const Results& results) {
  Tensors values;
  for (const Result& r : results) values.push_back(r.value);
  return values;
}

}  // namespace

const Measurement* Worst(const Measurements& measurements) {
  const auto worst = std::max_element(
      measurements.begin(), measurements.end(),
      [](const Measurement& a, const Measurement& b) { return Badness(a) < Badness(b); });
  return worst == measurements.end() ? nullptr : &*worst;
}

Measurements Failures(const Measurements& measurements) {
  std::vector<Measurements> groups;
  for (const Measurement& m : measurements) {
    if (m.ok()) continue;
    const auto group = std::find_if(groups.begin(), groups.end(),
                                    [&](const Measurements& g) { return g[0].what == m.what; });
    if (group == groups.end()) {
      groups.push_back({m});
    } else {
      group->push_back(m);
    }
  }
  Measurements failures;
  for (const Measurements& group : groups) failures.push_back(*Worst(group));
  return failures;
}

std::string Describe(const Measurement& m) {
  const std::string at = m.step < 0 ? "" : absl::StrCat(" at token ", m.step);
  return absl::StrFormat("%s: %.2g > %.2g%s; %s", m.what, m.value, m.bound, at, m.where);
}

Results Outputs(const Problem& p, const Tensors& outputs) {
  Results results;
  const std::vector<std::string> states = p.rule->state_names();
  for (size_t i = 0; i < outputs.size(); ++i)
    results.push_back({i == 0 ? "y" : "state " + states.at(i - 1), outputs[i], i == 0});
  return results;
}

Results WithGradients(const Problem& p, const Function& run, const Tensors& dys) {
  const Tensors inputs = p.Inputs();
  Tape tape;
  tape.Watch(inputs);
  const Tensors outputs = run(inputs);
  const Tensors gradients = tape.Gradient(
      outputs, inputs, dys.empty() ? RandomLike(outputs, 1) : CopyAllTo(dys, outputs[0].device()));
  Results results = Outputs(p, outputs);
  const std::vector<std::string> names = p.InputNames();
  for (size_t i = 0; i < names.size(); ++i)
    results.push_back({"gradient of " + names[i], gradients[i], IsTimed(names[i])});
  return results;
}

Results WithGradients(const Problem& p, Form form, int64_t chunk, const Tensors& dys) {
  const auto run = [&](const Tensors& inputs) { return RunForm(p.With(inputs), form, chunk); };
  return WithGradients(p, run, dys);
}

bool IsTimed(const std::string& input) { return input.rfind("state ", 0) != 0; }

double LargestDistance(const Results& got, const Results& want) {
  return LargestDistance(Values(got), Values(want));
}

void Compare(const Results& got, const Results& want, const std::string& where, double bound,
             Measurements* out) {
  const auto same = [bound](const std::string&) { return bound; };
  Compare(got, want, where, same, out);
}

void Compare(const Results& got, const Results& want, const std::string& where,
             absl::FunctionRef<double(const std::string& name)> bound, Measurements* out) {
  CheckSameNames(got, want);
  for (size_t i = 0; i < got.size(); ++i) {
    Measurement m{got[i].name, where, Distance(got[i].value, want[i].value), bound(got[i].name)};
    if (!m.ok() && got[i].value.shape() == want[i].value.shape()) {
      const std::vector<double> a = got[i].value.ToVector(), b = want[i].value.ToVector();
      m.step = WorstStep(got[i], TokensOf(want), [&](int64_t j) {
        const bool same = a[j] == b[j] || (std::isnan(a[j]) && std::isnan(b[j]));
        return same ? 0.0 : std::abs(a[j] - b[j]);
      });
    }
    out->push_back(std::move(m));
  }
}

void CompareBits(const Results& got, const Results& want, const std::string& where,
                 Measurements* out) {
  CheckSameNames(got, want);
  for (size_t i = 0; i < got.size(); ++i) {
    const Tensor a = CopyTo(got[i].value, Device::kCpu), b = CopyTo(want[i].value, Device::kCpu);
    Measurement m{got[i].name, where, a.shape() == b.shape() ? 0.0 : INFINITY, 0.0};
    if (m.ok() && !SameBits(a, b)) {
      const auto differs = [&, size = SizeOf(a.dtype())](int64_t j) {
        const auto at = [&](const Tensor& x) {
          return static_cast<const char*>(x.raw()) + j * size;
        };
        return std::memcmp(at(a), at(b), size) == 0 ? 0.0 : 1.0;
      };
      for (int64_t j = 0; j < a.size(); ++j) m.value += differs(j);
      m.step = WorstStep(got[i], TokensOf(want), differs);
    }
    out->push_back(std::move(m));
  }
}

void MeasureDevice(const Results& results, Device device, const std::string& where,
                   Measurements* out) {
  for (const Result& r : results)
    out->push_back({r.name + " elsewhere", where, r.value.device() == device ? 0.0 : 1.0, 0.0});
}

void MeasureFinite(const Results& results, const std::string& where, Measurements* out) {
  for (const Result& r : results) {
    const std::vector<double> values = r.value.ToVector();
    const auto bad = [&](int64_t j) { return std::isfinite(values[j]) ? 0.0 : 1.0; };
    Measurement m{r.name + " not finite", where, 0.0, 0.0};
    for (int64_t j = 0; j < r.value.size(); ++j) m.value += bad(j);
    if (!m.ok()) m.step = WorstStep(r, TokensOf(results), bad);
    out->push_back(std::move(m));
  }
}

std::string Where(Form form, int64_t chunk, int64_t time) {
  const std::string how = form == Form::kSteps ? absl::StrCat("steps, chunks of ", chunk)
                                               : absl::StrCat(NameOf(form), " of ", chunk);
  return absl::StrCat(how, ", ", time, time == 1 ? " token" : " tokens");
}

}  // namespace palimpsest
