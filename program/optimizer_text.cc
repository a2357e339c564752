#include "program/optimizer_text.h"

#include <algorithm>
#include <map>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/check.h"
#include "google/protobuf/descriptor.h"
#include "optim/level_config.h"

namespace palimpsest {
namespace {

using Field = google::protobuf::FieldDescriptor;

// Of a name, or of an optimizer's or kind of level's own: "dmgd.eta".
const std::map<std::string, std::string>& Meanings() {
  static const auto* const kMeanings = new std::map<std::string, std::string>{
      {"lr", "learning rate, before the schedule and a group's `lr_factor`"},
      {"weight_decay", "of the weights, lr weight_decay p a step, beside the update"},
      {"sgd.weight_decay", "weight_decay p, added to the gradient"},
      {"momentum.weight_decay", "weight_decay p, added to the gradient"},
      {"am_mgd.weight_decay", "weight_decay p, added to the gradient"},
      {"beta1", "what the average of gradients keeps a step"},
      {"lion.beta1", "what the average that is read keeps"},
      {"lion.beta2", "what the average that is stored keeps"},
      {"m3.beta1", "what the fast average keeps; `as_printed`: the strength of its writes"},
      {"delta_adamw.beta1", "what the memory keeps a step"},
      {"am_adamw.beta1", "the most the average keeps"},
      {"beta2", "what the average of squares keeps a step"},
      {"beta3", "what the slow average keeps a write; `as_printed`: the strength of its writes"},
      {"eps", "beside the root of the second moment"},
      {"momentum", "what the momentum keeps a step"},
      {"am_mgd.momentum", "the most the momentum keeps"},
      {"dampening", "of the gradient, from the second step on"},
      {"nesterov", "read as if written once more with this step's gradient"},
      {"sgd.nesterov", "the same; needs momentum above 0 and dampening 0"},
      {"momentum.nesterov", "read as if written once more; needs dampening 0"},
      {"newton_schulz_steps", "steps of the iteration"},
      {"newton_schulz", "its coefficients"},
      {"newton_schulz_bf16", "its products in bf16, as Muon is published; not of f64 parameters"},
      {"shape_scale", "the factor of an [m, n] matrix's step"},
      {"eta", "step size of the delta rule"},
      {"dmgd.eta", "step size of the memory's descent, on the mean over rows"},
      {"ema.eta", "strength of a write; 1 - keep if unset"},
      {"hope_delta.eta", "strength of a write"},
      {"deep.eta", "step size of the memory's descent, on the mean over its pairs"},
      {"lambda", "pull towards the step of pure momentum"},
      {"alpha", "weight of the slow level"},
      {"period", "steps between two writes, of the sum of their gradients"},
      {"m3.period", "steps between two writes of the slow level, of the sum of their gradients"},
      {"as_printed", "sums that forget nothing, and no correction of their start"},
      {"second_moment", "whose squares are averaged"},
      {"contraction", "how the memory meets a batch; the result is the same"},
      {"delta_muon.contraction", "the same; DIRECT needs nesterov false"},
      {"target", "what the memory is to answer to a row g of the gradient"},
      {"deep.target", "what the memory is to answer to a pair"},
      {"memory.target", "what the memory is to answer to a part of the gradient"},
      {"expansion", "hidden size of the memory as a multiple of its key's"},
      {"per_tensor", "a b for each parameter, not one for all"},
      {"summed", "every level sees the gradient, and what they read is added"},
      {"keep", "what the memory keeps a write"},
      {"corrected", "what is read is divided by 1 - keep^writes"},
      {"decay_scale", "of the erasure; eta if unset"},
      {"reading", "what `m (keep - g^T g)` means"},
      {"preconditioner", "P; ROW_NORM is diag(1 / \\|g_r\\|), of the MATRIX reading"},
      {"pairs", "the pairs a gradient is"},
      {"features", "of the key or, where that is 1, of the gradient"},
      {"output", "made of what is read"},
      {"weight", "of the level in a sum"}};
  return *kMeanings;
}

std::string MeaningOf(const std::string& owner, const std::string& name) {
  const auto own = Meanings().find(absl::StrCat(owner, ".", name));
  if (own != Meanings().end()) return own->second;
  const auto any = Meanings().find(name);
  PALIMPSEST_CHECK(any != Meanings().end()) << "nothing is said of " << owner << "'s " << name;
  return any->second;
}

std::string RangeText(HyperSpec::Range range) {
  switch (range) {
    case HyperSpec::Range::kAtLeast0: return "at least 0";
    case HyperSpec::Range::kAbove0: return "above 0";
    case HyperSpec::Range::kAtLeast1: return "at least 1";
    case HyperSpec::Range::kFrom0Below1: return "in [0, 1)";
    case HyperSpec::Range::kFrom0To1: return "in [0, 1]";
    case HyperSpec::Range::kAbove0To100: return "in (0, 100]";
    case HyperSpec::Range::kFrom1To100: return "in [1, 100]";
    case HyperSpec::Range::kAny: return "any";
  }
  return "";
}

HyperValues Defaults(const OptimizerSpec& spec) {
  HyperValues values;
  for (const HyperSpec& hyper : spec.hypers) values[hyper.name] = hyper.value;
  return values;
}

// Whether the optimizer takes the value, beside its defaults or without Nesterov's look ahead.
bool Takes(const OptimizerSpec& spec, const std::string& name, double value) {
  if (spec.conflict == nullptr) return true;
  HyperValues values = Defaults(spec);
  values[name] = value;
  if (spec.conflict(values).empty()) return true;
  if (!values.contains("nesterov")) return false;
  values["nesterov"] = 0.0;
  return spec.conflict(values).empty();
}

// A hyper-parameter that is a field of `message`; of a choice, with the values it `takes`.
HyperText Describe(const google::protobuf::Descriptor& message, const std::string& owner,
                   const HyperSpec& hyper, absl::FunctionRef<bool(double value)> takes) {
  const Field* field = message.FindFieldByName(hyper.name);
  PALIMPSEST_CHECK(field != nullptr) << message.full_name() << " has no " << hyper.name;
  HyperText text{hyper.name, MeaningOf(owner, hyper.name), absl::StrCat(hyper.value),
                 RangeText(hyper.range)};
  if (field->cpp_type() == Field::CPPTYPE_BOOL) {
    text.by_default = hyper.value != 0.0 ? "true" : "false", text.values = "true, false";
  } else if (const auto* choices = field->enum_type()) {
    std::vector<std::string> names;
    for (int i = 0; i < choices->value_count(); ++i) {
      const google::protobuf::EnumValueDescriptor& value = *choices->value(i);
      if (takes(value.number())) names.emplace_back(value.name());
    }
    text.by_default = choices->FindValueByNumber(static_cast<int>(hyper.value))->name();
    text.values = absl::StrJoin(names, ", ");
  }
  return text;
}

constexpr char kPrefix[] = "level.0.";

OptimizerConfig::Level LevelOf(const std::string& kind) {
  OptimizerConfig::Level level;
  level.set_kind(kind);
  if (kind == "memory") level.set_rule("delta");
  return level;
}

// All that a level of this kind has; names have the prefix.
std::vector<HyperSpec> LevelSpecs(const std::string& kind) {
  const auto specs = LevelHypers(LevelOf(kind), kPrefix);
  PALIMPSEST_CHECK(specs.ok()) << specs.status();
  return *specs;
}

std::vector<HyperText> DescribeLevelSpecs(const std::string& kind,
                                          const std::vector<HyperSpec>& specs) {
  HyperValues defaults;
  for (const HyperSpec& spec : LevelSpecs(kind)) defaults[spec.name] = spec.value;
  std::vector<HyperText> texts;
  for (HyperSpec spec : specs) {
    const std::string name = spec.name;
    spec.name = name.substr(sizeof(kPrefix) - 1);
    if (absl::StartsWith(spec.name, "gates.")) continue;
    const auto takes = [&](double value) {
      HyperValues values = defaults;
      values[name] = value;
      return MakeLevel(LevelOf(kind), kPrefix, "m", values).ok();
    };
    texts.push_back(Describe(*OptimizerConfig::Level::descriptor(), kind, spec, takes));
  }
  return texts;
}

}  // namespace

std::vector<HyperText> DescribeHypers(const std::string& optimizer, const OptimizerSpec& spec) {
  std::vector<HyperText> texts;
  for (const HyperSpec& hyper : spec.hypers)
    texts.push_back(Describe(*OptimizerConfig::descriptor(), optimizer, hyper,
                             [&](double value) { return Takes(spec, hyper.name, value); }));
  return texts;
}

std::vector<std::string> LevelKinds() {
  return {"none", "ema", "delta_momentum", "hope_delta", "deep", "memory"};
}

// A level that remembers nothing has what all have.
std::vector<HyperText> DescribeLevel() { return DescribeLevelSpecs("none", LevelSpecs("none")); }

std::vector<HyperText> DescribeLevel(const std::string& kind) {
  const std::vector<HyperSpec> common = LevelSpecs("none");
  std::vector<HyperSpec> own;
  for (const HyperSpec& spec : LevelSpecs(kind)) {
    const bool is_common = std::any_of(common.begin(), common.end(),
                                       [&](const HyperSpec& c) { return c.name == spec.name; });
    if (!is_common) own.push_back(spec);
  }
  return DescribeLevelSpecs(kind, own);
}

std::vector<HyperText> DescribeChain() {
  OptimizerConfig config;
  config.set_name("chain");
  const auto specs = HypersOf(config, "optimizer");
  PALIMPSEST_CHECK(specs.ok()) << specs.status();
  return DescribeHypers("chain", {.hypers = *specs, .make = nullptr});
}

Chain DefaultChain(const OptimizerSpec& spec) { return spec.make(Defaults(spec)); }

std::string StateSize(const Chain& chain) {
  constexpr int64_t kRows = 5, kColumns = 7;  // Whose products tell what a size is made of.
  std::map<std::string, int64_t> counts = {{"m n", 0}, {"n^2", 0}, {"m", 0}, {"", 0}};
  const Tensor param = Tensor::Full({kRows, kColumns}, 0.0, DType::kF32);
  for (const auto& [slot, x] : chain.Init(param)) {
    const std::pair<const char*, int64_t> units[] = {
        {"m n", kRows * kColumns}, {"n^2", kColumns * kColumns}, {"m", kRows}, {"", 1}};
    for (const auto& [unit, size] : units) {
      if (x.size() % size != 0) continue;
      counts[unit] += x.size() / size;
      break;
    }
  }
  std::vector<std::string> terms;
  for (const char* unit : {"m n", "n^2", "m", ""}) {
    const int64_t count = counts.at(unit);
    if (count == 0) continue;
    const bool one = count == 1 && *unit != '\0';
    terms.push_back(one ? unit : absl::StrCat(count, *unit == '\0' ? "" : " ", unit));
  }
  return terms.empty() ? "0" : absl::StrJoin(terms, " + ");
}

std::string OptimizerList() {
  std::string text;
  for (const auto& [name, spec] : OptimizerSpecs())
    absl::StrAppendFormat(&text, "%-12s %s\n", name, spec.equation);
  absl::StrAppendFormat(&text, "%-12s %s\n", "chain", "levels of your own: level { kind: ... }");
  return text;
}

}  // namespace palimpsest
