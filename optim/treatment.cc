#include "optim/treatment.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/check.h"
#include "ops/elementwise.h"
#include "optim/describe_settings.h"
#include "optim/schedule.h"

namespace palimpsest {
namespace {

Tensor Element(const Tensor& x, int64_t i) { return x.Rows(i, i + 1).WithShape({}); }

}  // namespace

bool Treatment::FusesOn(Device device) const {
  return settings.frozen || (chain.fused != nullptr && chain.fused->has(device));
}

void ForEachTrained(const Treatments& treatments,
                    absl::FunctionRef<void(const Treatment&, const std::string& path)> f) {
  for (const auto& [description, t] : treatments) {
    if (t.settings.frozen) continue;
    for (const std::string& path : t.paths) f(t, path);
  }
}

void DropFrozen(const Treatments& treatments, NamedTensors& grads) {
  for (const auto& [description, t] : treatments) {
    if (!t.settings.frozen) continue;
    for (const std::string& path : t.paths) grads.erase(path);
  }
}

Tensor StepLearningRate(const Settings& settings, int64_t step, const Hypers& given) {
  const double factor = ScheduleFactor(settings.schedule, step);
  const auto it = given.find("lr");
  if (it == given.end()) return Tensor::Full({}, settings.hypers.at("lr") * factor, DType::kF64);
  return Mul(it->second, factor);
}

Hypers StepHypers(const Settings& settings, int64_t step, const Hypers& given) {
  Hypers hypers;
  for (const auto& [name, value] : settings.hypers) {
    const auto it = given.find(name);
    hypers.emplace(name, it == given.end() ? Tensor::Full({}, value, DType::kF64) : it->second);
  }
  hypers["lr"] = Mul(StepLearningRate(settings, step, given), settings.lr_factor);
  return hypers;
}

Tensor StepNumbers(const Treatments& treatments, int64_t step) {
  std::vector<double> numbers;
  for (const auto& [description, t] : treatments)
    numbers.push_back(StepHypers(t.settings, step, {}).at("lr").Item());
  numbers.push_back(static_cast<double>(step + 1));
  const auto count = static_cast<int64_t>(numbers.size());
  return Tensor::FromVector({count}, numbers, DType::kF64);
}

std::vector<int64_t> Phases(const Treatments& treatments, int64_t made, Device device) {
  std::vector<int64_t> phases;
  for (const auto& [description, t] : treatments) {
    if (t.FusesOn(device)) continue;
    const std::vector<int64_t> own = t.chain.Phases(made);
    phases.insert(phases.end(), own.begin(), own.end());
  }
  return phases;
}

std::map<std::string, Hypers> StepHypers(const Treatments& treatments, int64_t step,
                                         const Hypers& given, const Tensor& numbers) {
  std::map<std::string, Hypers> of_each;
  int64_t number = 0;
  for (const auto& [description, t] : treatments) {
    const int64_t own = number++;
    if (t.settings.frozen) continue;
    Hypers& hypers = of_each[description] = StepHypers(t.settings, step, given);
    if (numbers) hypers["lr"] = Element(numbers, own);
  }
  return of_each;
}

Tensor StepsMade(int64_t step, const Tensor& numbers, const Tensor* skipped) {
  const Device device = skipped == nullptr ? Device::kCpu : skipped->device();
  const Tensor steps = numbers
                           ? Element(numbers, numbers.size() - 1)
                           : Tensor::Full({}, static_cast<double>(step + 1), DType::kF64, device);
  return skipped == nullptr ? steps : Sub(steps, *skipped);
}

void CheckHypers(const Treatments& treatments, const Hypers& given) {
  for (const auto& [name, x] : given) {
    bool known = false;
    for (const auto& [description, t] : treatments) known |= t.settings.hypers.contains(name);
    PALIMPSEST_CHECK(known) << "no optimizer here has " << name;
    PALIMPSEST_CHECK(x.rank() == 0 && x.dtype() == DType::kF64)
        << name << " is " << x << ", not f64 []";
  }
}

void CheckGradients(const Treatments& treatments, const NamedTensors& params,
                    const NamedTensors& grads) {
  ForEachTrained(treatments, [&](const Treatment&, const std::string& path) {
    const auto param = params.find(path), grad = grads.find(path);
    PALIMPSEST_CHECK(param != params.end()) << "no parameter " << path;
    PALIMPSEST_CHECK(grad != grads.end()) << "no gradient for " << path;
    PALIMPSEST_CHECK(param->second.shape() == grad->second.shape() &&
                     param->second.dtype() == grad->second.dtype())
        << path << " is " << param->second << ", its gradient " << grad->second;
  });
}

std::vector<std::string> Summary(const Treatments& treatments) {
  std::map<std::string, std::pair<int64_t, int64_t>> totals;
  for (const auto& [description, t] : treatments) {
    auto& [values, bytes] = totals[DescribeShortly(t.settings)];
    values += t.values, bytes += t.state_bytes;
  }
  std::vector<std::string> lines;
  for (const auto& [description, total] : totals)
    lines.push_back(absl::StrCat(description, ": ", total.first, " parameters, ", total.second,
                                 " bytes of state"));
  return lines;
}

}  // namespace palimpsest
