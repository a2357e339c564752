#include "program/recorded_steps.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/tape.h"
#include "ops/linalg.h"
#include "optim/optimizer.h"

namespace palimpsest {
namespace {

// A file of one parameter need not name it; then this is its path.
constexpr char kOnly[] = "w";

// "NAME/g.12" taken apart.
struct TensorName {
  std::string prefix;  // "NAME/", or nothing.
  char kind = 'w';     // w, g, x or d.
  int64_t step = 0;    // Of all but w.
};

absl::StatusOr<TensorName> ParseName(const std::string& name) {
  const size_t begin = name.rfind('/') + 1;  // 0 where there is none.
  const std::string rest = name.substr(begin);
  TensorName parsed{.prefix = name.substr(0, begin)};
  if (rest == "w") return parsed;
  const bool of_step = rest.size() > 2 && rest[1] == '.' && absl::StrContains("gxd", rest[0]);
  const std::string step = of_step ? rest.substr(2) : "";
  if (!absl::SimpleAtoi(step, &parsed.step) || step != absl::StrCat(parsed.step))
    return absl::InvalidArgumentError(absl::StrCat(
        "tensor ", name, " is none of w, g.<t>, x.<t>, d.<t>, with NAME/ before them or not"));
  if (parsed.step < 1)
    return absl::InvalidArgumentError(absl::StrCat("tensor ", name, ": steps count from 1"));
  parsed.kind = rest[0];
  return parsed;
}

// Sorts the tensors of a file into parameters and steps.
class Reader {
 public:
  Reader(const std::string& path, const NamedTensors& tensors) : path_(path), tensors_(tensors) {}

  absl::StatusOr<RecordedSteps> Read() {
    std::set<std::string> prefixes;
    for (const auto& [name, x] : tensors_) {
      const absl::StatusOr<TensorName> parsed = ParseName(name);
      if (!parsed.ok()) return Error(std::string(parsed.status().message()));
      prefixes.insert(parsed->prefix);
      last_ = std::max(last_, parsed->step);
    }
    if (last_ == 0) return Error("has no steps: no tensor g.1, or x.1 and d.1");
    if (prefixes.size() > 1 && prefixes.contains(""))
      return Error(absl::StrCat("has tensors without a parameter's name beside those of ",
                                *prefixes.rbegin()));
    recorded_.steps.resize(static_cast<size_t>(last_));
    for (const std::string& prefix : prefixes) {
      if (absl::Status s = ReadParam(prefix); !s.ok()) return s;
    }
    return std::move(recorded_);
  }

 private:
  absl::Status Error(const std::string& problem) const {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": ", problem));
  }
  const Tensor* Find(const std::string& name) const {
    const auto it = tensors_.find(name);
    return it == tensors_.end() ? nullptr : &it->second;
  }

  absl::Status ReadParam(const std::string& prefix) {
    const Tensor* w = Find(prefix + "w");
    if (w == nullptr) return Error(absl::StrCat("has no tensor ", prefix, "w"));
    if (!IsFloat(w->dtype()))
      return Error(
          absl::StrCat("tensor ", prefix, "w is ", Describe(*w), ", not f64, f32 or bf16"));
    if (!AllFinite(*w))
      return Error(absl::StrCat("tensor ", prefix, "w has values that are not finite"));
    for (int64_t t = 1; t <= last_; ++t) {
      if (absl::Status s = ReadStep(prefix, *w, t); !s.ok()) return s;
    }
    recorded_.params[PathOf(prefix)] = *w;
    return absl::OkStatus();
  }

  absl::Status ReadStep(const std::string& prefix, const Tensor& w, int64_t t) {
    const auto name = [&](const char* kind) { return absl::StrCat(prefix, kind, ".", t); };
    const Tensor *g = Find(name("g")), *x = Find(name("x")), *d = Find(name("d"));
    const bool either = x != nullptr || d != nullptr;
    if (g == nullptr && !either)
      return Error(absl::StrCat("has ", last_, " steps, but no tensor ", name("g"), ", nor ",
                                name("x"), " and ", name("d")));
    RecordedStep& step = recorded_.steps[static_cast<size_t>(t - 1)];
    if (g != nullptr) {
      if (absl::Status s = Check(name("g"), *g, w, w.shape()); !s.ok()) return s;
      step.grads[PathOf(prefix)] = *g;
    }
    if (!either) return absl::OkStatus();
    if (x == nullptr || d == nullptr)
      return Error(absl::StrCat("has tensor ", name(x ? "x" : "d"), ", but no tensor ",
                                name(x ? "d" : "x")));
    if (w.rank() != 2)
      return Error(absl::StrCat("has tensor ", name("x"), ", but ", prefix, "w is ", Describe(w),
                                ", not a matrix [out, in]"));
    if (step.tokens == 0 && x->rank() > 0) step.tokens = x->dim(0);
    const int64_t tokens = std::max<int64_t>(step.tokens, 1);
    if (absl::Status s = Check(name("x"), *x, w, {tokens, w.dim(1)}); !s.ok()) return s;
    if (absl::Status s = Check(name("d"), *d, w, {tokens, w.dim(0)}); !s.ok()) return s;
    step.inputs[PathOf(prefix)] = *x;
    step.errors[PathOf(prefix)] = *d;
    if (g == nullptr) step.grads[PathOf(prefix)] = MatMul(*d, *x, {.a = true});
    return absl::OkStatus();
  }

  absl::Status Check(const std::string& name, const Tensor& x, const Tensor& w,
                     const Shape& shape) const {
    if (x.dtype() == w.dtype() && x.shape() == shape) return absl::OkStatus();
    return Error(absl::StrCat("tensor ", name, " is ", Describe(x), ", not ", NameOf(w.dtype()),
                              " ", ToString(shape)));
  }

  static std::string PathOf(const std::string& prefix) {
    return prefix.empty() ? kOnly : prefix.substr(0, prefix.size() - 1);
  }

  const std::string& path_;
  const NamedTensors& tensors_;
  int64_t last_ = 0;  // Step.
  RecordedSteps recorded_;
};

// What levels keyed on activations see of step t; nullptr if there are none.
absl::StatusOr<std::unique_ptr<PairSumsTap>> ShowPairs(const Optimizer& optimizer,
                                                       const RecordedStep& step,
                                                       const UpdateResult& at, int64_t t) {
  std::unique_ptr<PairSumsTap> tap =
      optimizer.Listen(at.params, at.state, t - 1, static_cast<double>(step.tokens));
  if (tap == nullptr) return tap;
  for (const auto& [param, x] : step.inputs) {
    const Tensor& w = at.params.at(param);
    if (tap->Knows(w)) tap->See(w, x, step.errors.at(param));
  }
  if (tap->Unseen().empty()) return tap;
  return absl::InvalidArgumentError(
      absl::StrCat("step ", t, ": the optimizer learns ", tap->Unseen().front(),
                   " from activations, and the file has no x.", t, " and d.", t, " of it"));
}

}  // namespace

absl::StatusOr<RecordedSteps> ReadRecordedSteps(const std::string& path,
                                                const NamedTensors& tensors) {
  return Reader(path, tensors).Read();
}

absl::StatusOr<ReplayResult> Replay(const RecordedSteps& recorded, const OptimizerConfig& config) {
  absl::StatusOr<std::unique_ptr<Optimizer>> optimizer = Optimizer::Create(config, recorded.params);
  if (!optimizer.ok()) return optimizer.status();
  ReplayResult result{.weights = {}, .state_bytes = 0, .summary = (*optimizer)->Summary()};
  UpdateResult at{.params = recorded.params, .state = (*optimizer)->Init(recorded.params)};
  for (size_t i = 0; i < recorded.steps.size(); ++i) {
    const auto t = static_cast<int64_t>(i) + 1;
    const RecordedStep& step = recorded.steps[i];
    const auto pairs = ShowPairs(**optimizer, step, at, t);
    if (!pairs.ok()) return pairs.status();
    at = (*optimizer)
             ->Update(std::move(at.params), step.grads, std::move(at.state), t - 1, {},
                      pairs->get());
    if (!at.non_finite().empty() && config.non_finite() != OptimizerConfig::SKIP)
      return absl::InvalidArgumentError(absl::StrCat("step ", t, ": the gradient of ",
                                                     at.non_finite(), " (g.", t,
                                                     ") has values that are not finite"));
    for (const auto& [param, w] : at.params)
      result.weights[absl::StrCat(param == kOnly ? "" : param + "/", "w.", t)] = w;
  }
  result.state_bytes = TotalBytes(at.state);
  return result;
}

}  // namespace palimpsest
