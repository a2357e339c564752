#include "memory_rules/registry.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace palimpsest {
namespace {

std::map<std::string, RuleEntry>& Registry() {
  static auto* registry = new std::map<std::string, RuleEntry>;
  return *registry;
}

// Where rules go instead while they are captured.
constinit std::vector<RuleEntry>* captured = nullptr;

// Levenshtein's distance.
size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row.back();
}

std::string Suggestion(const std::string& name, const std::vector<std::string>& known) {
  const auto nearest = std::min_element(
      known.begin(), known.end(),
      [&](const auto& a, const auto& b) { return EditDistance(name, a) < EditDistance(name, b); });
  if (nearest == known.end() || EditDistance(name, *nearest) > 1 + name.size() / 4) return "";
  return absl::StrCat("did you mean \"", *nearest, "\"? ");
}

absl::StatusOr<const RuleEntry*> Find(const std::string& name) {
  const auto it = Registry().find(name);
  if (it != Registry().end()) return &it->second;
  const std::vector<std::string> known = MemoryRuleNames();
  return absl::NotFoundError(absl::StrCat("no memory rule \"", name, "\"; ",
                                          Suggestion(name, known),
                                          "known: ", absl::StrJoin(known, ", ")));
}

// The parameter of that name, among those which are choices or those which are numbers.
absl::StatusOr<const ParamSpec*> FindParam(const std::string& rule,
                                           const std::vector<ParamSpec>& specs,
                                           const std::string& name, bool choice) {
  std::vector<std::string> known;
  for (const ParamSpec& spec : specs) {
    if (spec.choices.empty() == choice) continue;
    if (spec.name == name) return &spec;
    known.push_back(spec.name);
  }
  const char* kind = choice ? "option" : "parameter";
  return absl::InvalidArgumentError(absl::StrCat(
      "memory rule ", rule, " has no ", kind, " \"", name, "\"; ", Suggestion(name, known),
      known.empty() ? "it takes none" : absl::StrCat("it takes: ", absl::StrJoin(known, ", "))));
}

absl::Status SetParam(const std::string& rule, const std::vector<ParamSpec>& specs,
                      const std::string& name, double value, RuleParams& params) {
  const absl::StatusOr<const ParamSpec*> spec = FindParam(rule, specs, name, /*choice=*/false);
  if (!spec.ok()) return spec.status();
  const auto [min, max, integer] = std::tuple((*spec)->min, (*spec)->max, (*spec)->integer);
  // Written so that NaN is out of range.
  if (!(value >= min && value <= max) || (integer && value != std::floor(value))) {
    return absl::InvalidArgumentError(absl::StrCat("memory rule ", rule, ": ", name, " = ", value,
                                                   " is not ", integer ? "an integer" : "a number",
                                                   " from ", min, " to ", max));
  }
  params[name] = value;
  return absl::OkStatus();
}

absl::Status SetOption(const std::string& rule, const std::vector<ParamSpec>& specs,
                       const std::string& name, const std::string& value, RuleParams& params) {
  const absl::StatusOr<const ParamSpec*> spec = FindParam(rule, specs, name, /*choice=*/true);
  if (!spec.ok()) return spec.status();
  const std::vector<std::string>& choices = (*spec)->choices;
  const auto at = std::find(choices.begin(), choices.end(), value);
  if (at == choices.end()) {
    return absl::InvalidArgumentError(absl::StrCat("memory rule ", rule, ": ", name, " = \"", value,
                                                   "\" is not one of ",
                                                   absl::StrJoin(choices, ", ")));
  }
  params[name] = static_cast<double>(at - choices.begin());
  return absl::OkStatus();
}

}  // namespace

std::vector<ParamSpec> WithDefaults(std::vector<ParamSpec> specs,
                                    const std::map<std::string, double>& params,
                                    const std::map<std::string, std::string>& options) {
  RuleParams values;
  for (const auto& [name, value] : params) {
    const absl::Status s = SetParam("with defaults", specs, name, value, values);
    PALIMPSEST_CHECK(s.ok()) << s.ToString();
  }
  for (const auto& [name, value] : options) {
    const absl::Status s = SetOption("with defaults", specs, name, value, values);
    PALIMPSEST_CHECK(s.ok()) << s.ToString();
  }
  for (ParamSpec& spec : specs) {
    if (const auto it = values.find(spec.name); it != values.end()) spec.value = it->second;
  }
  return specs;
}

bool RegisterMemoryRule(const std::string& name, std::vector<ParamSpec> params,
                        RuleFactory factory) {
  RuleEntry entry{name, std::move(params), std::move(factory)};
  if (captured != nullptr) {
    captured->push_back(std::move(entry));
    return true;
  }
  const bool inserted = Registry().try_emplace(name, std::move(entry)).second;
  PALIMPSEST_CHECK(inserted) << "memory rule " << name << " registered twice";
  return inserted;
}

std::vector<RuleEntry> CaptureMemoryRules(absl::FunctionRef<void()> load) {
  std::vector<RuleEntry> rules;
  captured = &rules;
  load();
  captured = nullptr;
  return rules;
}

std::vector<std::string> MemoryRuleNames() {
  std::vector<std::string> names;
  for (const auto& [name, entry] : Registry()) names.push_back(name);
  return names;
}

absl::StatusOr<std::vector<ParamSpec>> MemoryRuleParams(const std::string& name) {
  const absl::StatusOr<const RuleEntry*> entry = Find(name);
  if (!entry.ok()) return entry.status();
  return (*entry)->params;
}

absl::StatusOr<std::unique_ptr<MemoryRule>> MakeMemoryRule(const RuleConfig& config) {
  const absl::StatusOr<const RuleEntry*> entry = Find(config.name);
  if (!entry.ok()) return entry.status();
  RuleParams params;
  for (const ParamSpec& spec : (*entry)->params) params[spec.name] = spec.value;
  const std::vector<ParamSpec>& specs = (*entry)->params;
  for (const auto& [name, value] : config.params) {
    if (absl::Status s = SetParam(config.name, specs, name, value, params); !s.ok()) return s;
  }
  for (const auto& [name, value] : config.options) {
    if (absl::Status s = SetOption(config.name, specs, name, value, params); !s.ok()) return s;
  }
  return (*entry)->factory(params);
}

}  // namespace palimpsest
