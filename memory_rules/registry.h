#ifndef MEMORY_RULES_REGISTRY_H_
#define MEMORY_RULES_REGISTRY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "memory_rules/rule.h"

namespace palimpsest {

// What a plugin and the program that loads it must agree on: the headers of core, ops and
// memory_rules as compiled code sees them. Raise it with every change to them that moves a field, a
// virtual function or a signature. It is a symbol of every object that can register a rule, and
// LoadPlugin reads it in the file. To ask a plugin once it is loaded would be too late: loading
// runs what registers its rules, made for headers that may be others, and where a symbol is missing
// it fails with no number to name.
extern "C" {
[[gnu::used, gnu::visibility("default")]] inline constexpr int32_t kPalimpsestPluginAbi = 3;
}

// A rule's parameters, checked against their specs, defaults filled in.
using RuleParams = std::map<std::string, double>;
using RuleFactory = std::function<std::unique_ptr<MemoryRule>(const RuleParams& params)>;

// A parameter that is 0 or 1.
inline ParamSpec Flag(std::string name, bool value, std::string meaning) {
  return {std::move(name), value ? 1.0 : 0.0, 0, 1, /*integer=*/true, std::move(meaning)};
}

// A parameter that is one of these; the first by default.
inline ParamSpec Choice(std::string name, std::vector<std::string> choices, std::string meaning) {
  const auto last = static_cast<double>(choices.size() - 1);
  return {std::move(name),   0.0, 0.0, last, /*integer=*/true, std::move(meaning),
          std::move(choices)};
}

// `specs` with other defaults for some; of a choice, by name.
std::vector<ParamSpec> WithDefaults(std::vector<ParamSpec> specs,
                                    const std::map<std::string, double>& params,
                                    const std::map<std::string, std::string>& options = {});

// Makes a rule known by `name`; a name taken already is a programmer's mistake.
bool RegisterMemoryRule(const std::string& name, std::vector<ParamSpec> params,
                        RuleFactory factory);

// A rule before it is registered.
struct RuleEntry {
  std::string name;
  std::vector<ParamSpec> params;
  RuleFactory factory;
};
// What `load` registers, in order, which stays unregistered: a plugin's rules are known once all of
// them are sound.
std::vector<RuleEntry> CaptureMemoryRules(absl::FunctionRef<void()> load);

// In a rule's file: its config name, its class (constructed from RuleParams) and its ParamSpecs, if
// any; or a vector of them.
#define PALIMPSEST_MEMORY_RULE(name, Rule, ...) \
  PALIMPSEST_MEMORY_RULE_WITH(name, Rule, (std::vector<::palimpsest::ParamSpec>{__VA_ARGS__}))
#define PALIMPSEST_MEMORY_RULE_WITH(name, Rule, specs)                                     \
  [[maybe_unused]] static const bool registered_##Rule = ::palimpsest::RegisterMemoryRule( \
      name, specs,                                                                         \
      [](const ::palimpsest::RuleParams& params) { return std::make_unique<Rule>(params); })

}  // namespace palimpsest

#endif  // MEMORY_RULES_REGISTRY_H_
