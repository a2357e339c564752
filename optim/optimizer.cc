#include "optim/optimizer.h"

#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/check.h"
#include "core/op_scope.h"
#include "core/tape.h"
#include "ops/elementwise.h"
#include "optim/chain.h"
#include "optim/gradients.h"
#include "optim/schedule.h"
#include "optim/settings.h"

namespace palimpsest {
namespace {

// Parameters that are trained alike.
struct Treatment {
  Settings settings;
  Chain chain;
  std::vector<std::string> paths;
  int64_t values = 0;  // In all of them.
};

std::string Describe(const Settings& s) {
  if (s.frozen) return "frozen";
  const auto hyper = [](std::string* out, const auto& entry) {
    absl::StrAppend(out, entry.first, "=", entry.second);
  };
  std::string text = absl::StrCat(s.optimizer, " ", absl::StrJoin(s.hypers, " ", hyper));
  if (s.lr_factor != 1.0) absl::StrAppend(&text, " lr_factor=", s.lr_factor);
  const std::string schedule = s.schedule.ShortDebugString();
  return schedule.empty() ? text : absl::StrCat(text, " schedule={", schedule, "}");
}

// What of it a reader asks for first.
std::string DescribeShortly(const Settings& s) {
  if (s.frozen) return "frozen";
  std::string text = absl::StrFormat("%s, lr %.3g", s.optimizer, s.hypers.at("lr") * s.lr_factor);
  if (const double decay = s.hypers.at("weight_decay"); decay > 0)
    absl::StrAppendFormat(&text, ", weight decay %.3g", decay);
  if (s.schedule.kind() == OptimizerConfig::Schedule::CONSTANT) return text;
  const std::string kind = OptimizerConfig::Schedule::Kind_Name(s.schedule.kind());
  return absl::StrCat(text, ", ", absl::AsciiStrToLower(kind));
}

class ChainOptimizer : public Optimizer {
 public:
  ChainOptimizer(Settings main, double clip_norm) : main_(std::move(main)), clip_norm_(clip_norm) {}

  void Add(const std::string& path, const Settings& settings, int64_t size) {
    Treatment& t = treatments_[Describe(settings)];
    if (t.paths.empty())
      t.settings = settings,
      t.chain = OptimizerSpecs().at(settings.optimizer).make(settings.hypers);
    t.paths.push_back(path);
    t.values += size;
  }

  NamedTensors Init(const NamedTensors& params) const override {
    NamedTensors state;
    for (const auto& [description, t] : treatments_) {
      if (t.settings.frozen) continue;
      for (const std::string& path : t.paths) {
        for (auto& [slot, x] : t.chain.Init(params.at(path)))
          state.emplace(absl::StrCat(path, ".", slot), std::move(x));
      }
    }
    return state;
  }

  UpdateResult Update(NamedTensors params, NamedTensors grads, NamedTensors state, int64_t step,
                      const NamedTensors& hypers) const override {
    const OpScope scope("optimizer");
    CheckHypers(hypers);
    DropFrozen(grads);
    UpdateResult result{.params = std::move(params), .state = std::move(state)};
    result.grad_norm = GlobalNorm(grads);
    result.learning_rate = LearningRate(main_, step, hypers).Item();
    if (!std::isfinite(result.grad_norm)) {
      result.non_finite = FirstNonFinite(grads);
      return result;
    }
    const Tensor grad_scale = ClipScale(grads, result.grad_norm, clip_norm_);
    for (const auto& [description, t] : treatments_) {
      if (t.settings.frozen) continue;
      const Hypers of_step = StepHypers(t.settings, step, hypers);
      for (const std::string& path : t.paths) {
        UpdateOne(t.chain, path, {step, of_step, grad_scale}, grads, result);
      }
    }
    return result;
  }

  std::vector<std::string> Summary() const override {
    std::map<std::string, int64_t> values;
    for (const auto& [description, t] : treatments_)
      values[DescribeShortly(t.settings)] += t.values;
    std::vector<std::string> lines;
    for (const auto& [description, count] : values)
      lines.push_back(absl::StrCat(description, ": ", count, " parameters"));
    return lines;
  }

 private:
  static Tensor LearningRate(const Settings& s, int64_t step, const Hypers& given) {
    const double factor = ScheduleFactor(s.schedule, step);
    const auto it = given.find("lr");
    if (it == given.end()) return Tensor::Full({}, s.hypers.at("lr") * factor, DType::kF64);
    return Mul(it->second, factor);
  }

  static Hypers StepHypers(const Settings& s, int64_t step, const Hypers& given) {
    Hypers hypers;
    for (const auto& [name, value] : s.hypers) {
      const auto it = given.find(name);
      hypers.emplace(name, it == given.end() ? Tensor::Full({}, value, DType::kF64) : it->second);
    }
    hypers["lr"] = Mul(LearningRate(s, step, given), s.lr_factor);
    return hypers;
  }

  static void UpdateOne(const Chain& chain, const std::string& path, const ChainStep& step,
                        NamedTensors& grads, UpdateResult& result) {
    const auto param = result.params.find(path), grad = grads.find(path);
    PALIMPSEST_CHECK(param != result.params.end()) << "no parameter " << path;
    PALIMPSEST_CHECK(grad != grads.end()) << "no gradient for " << path;
    PALIMPSEST_CHECK(param->second.shape() == grad->second.shape() &&
                     param->second.dtype() == grad->second.dtype())
        << path << " is " << param->second << ", its gradient " << grad->second;
    NamedTensors state = TakeUnder(path + ".", result.state);
    chain.Update(param->second, std::move(grad->second), state, step);
    for (auto& [slot, x] : state) result.state[absl::StrCat(path, ".", slot)] = std::move(x);
  }

  // The tensors whose names begin with `prefix`, moved out, without it.
  static NamedTensors TakeUnder(const std::string& prefix, NamedTensors& from) {
    NamedTensors taken;
    for (auto it = from.lower_bound(prefix);
         it != from.end() && it->first.compare(0, prefix.size(), prefix) == 0; ++it) {
      taken.emplace(it->first.substr(prefix.size()), std::exchange(it->second, Tensor()));
    }
    return taken;
  }

  static std::string FirstNonFinite(const NamedTensors& grads) {
    for (const auto& [path, g] : grads) {
      if (!AllFinite(g)) return path;
    }
    return "(their norm)";
  }

  void DropFrozen(NamedTensors& grads) const {
    for (const auto& [description, t] : treatments_) {
      if (!t.settings.frozen) continue;
      for (const std::string& path : t.paths) grads.erase(path);
    }
  }

  void CheckHypers(const Hypers& given) const {
    for (const auto& [name, x] : given) {
      bool known = false;
      for (const auto& [description, t] : treatments_) known |= t.settings.hypers.contains(name);
      PALIMPSEST_CHECK(known) << "no optimizer here has " << name;
      PALIMPSEST_CHECK(x.rank() == 0 && x.dtype() == DType::kF64)
          << name << " is " << x << ", not f64 []";
    }
  }

  const Settings main_;
  const double clip_norm_;
  std::map<std::string, Treatment> treatments_;  // By description.
};

}  // namespace

absl::StatusOr<std::unique_ptr<Optimizer>> Optimizer::Create(const OptimizerConfig& config,
                                                             const NamedTensors& params) {
  absl::StatusOr<std::map<std::string, Settings>> settings = ResolveSettings(config, params);
  if (!settings.ok()) return settings.status();
  absl::StatusOr<Settings> main = MainSettings(config);
  if (!main.ok()) return main.status();
  auto optimizer = std::make_unique<ChainOptimizer>(*std::move(main), config.clip_norm());
  for (const auto& [path, s] : *settings) optimizer->Add(path, s, params.at(path).size());
  return optimizer;
}

}  // namespace palimpsest
