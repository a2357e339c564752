#ifndef MEMORY_RULES_REGISTRY_H_
#define MEMORY_RULES_REGISTRY_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "memory_rules/rule.h"

namespace palimpsest {

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
