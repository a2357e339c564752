#include "memory_rules/registry.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace palimpsest {
namespace {

struct Entry {
  std::vector<ParamSpec> params;
  RuleFactory factory;
};

std::map<std::string, Entry>& Registry() {
  static auto* registry = new std::map<std::string, Entry>;
  return *registry;
}

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

absl::StatusOr<const Entry*> Find(const std::string& name) {
  const auto it = Registry().find(name);
  if (it != Registry().end()) return &it->second;
  const std::vector<std::string> known = MemoryRuleNames();
  return absl::NotFoundError(absl::StrCat("no memory rule \"", name, "\"; ",
                                          Suggestion(name, known),
                                          "known: ", absl::StrJoin(known, ", ")));
}

absl::Status CheckParam(const std::string& rule, const std::vector<ParamSpec>& specs,
                        const std::string& name, double value) {
  const auto spec =
      std::find_if(specs.begin(), specs.end(), [&](const ParamSpec& s) { return s.name == name; });
  if (spec == specs.end()) {
    std::vector<std::string> known;
    for (const ParamSpec& s : specs) known.push_back(s.name);
    return absl::InvalidArgumentError(absl::StrCat(
        "memory rule ", rule, " has no parameter \"", name, "\"; ", Suggestion(name, known),
        known.empty() ? "it takes none" : absl::StrCat("it takes: ", absl::StrJoin(known, ", "))));
  }
  // Written so that NaN is out of range.
  const bool in_range = value >= spec->min && value <= spec->max;
  if (in_range && (!spec->integer || value == std::floor(value))) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "memory rule ", rule, ": ", name, " = ", value, " is not ",
      spec->integer ? "an integer" : "a number", " from ", spec->min, " to ", spec->max));
}

}  // namespace

bool RegisterMemoryRule(const std::string& name, std::vector<ParamSpec> params,
                        RuleFactory factory) {
  const bool inserted =
      Registry().try_emplace(name, Entry{std::move(params), std::move(factory)}).second;
  PALIMPSEST_CHECK(inserted) << "memory rule " << name << " registered twice";
  return inserted;
}

std::vector<std::string> MemoryRuleNames() {
  std::vector<std::string> names;
  for (const auto& [name, entry] : Registry()) names.push_back(name);
  return names;
}

absl::StatusOr<std::vector<ParamSpec>> MemoryRuleParams(const std::string& name) {
  const absl::StatusOr<const Entry*> entry = Find(name);
  if (!entry.ok()) return entry.status();
  return (*entry)->params;
}

absl::StatusOr<std::unique_ptr<MemoryRule>> MakeMemoryRule(const RuleConfig& config) {
  const absl::StatusOr<const Entry*> entry = Find(config.name);
  if (!entry.ok()) return entry.status();
  RuleParams params;
  for (const ParamSpec& spec : (*entry)->params) params[spec.name] = spec.value;
  for (const auto& [name, value] : config.params) {
    if (absl::Status status = CheckParam(config.name, (*entry)->params, name, value); !status.ok())
      return status;
    params[name] = value;
  }
  return (*entry)->factory(params);
}

}  // namespace palimpsest
