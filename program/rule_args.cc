#include "program/rule_args.h"

#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace palimpsest {

absl::StatusOr<RuleConfig> ParseRule(const std::string& name,
                                     const std::vector<std::string>& args) {
  RuleConfig config{.name = name};
  for (const std::string& arg : args) {
    const std::pair<std::string, std::string> split = absl::StrSplit(arg, absl::MaxSplits('=', 1));
    double number = 0.0;
    if (split.first.empty() || arg.find('=') == std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", arg, "\" is not a parameter of the rule: NAME=VALUE"));
    }
    if (absl::SimpleAtod(split.second, &number)) {
      config.params[split.first] = number;
    } else {
      config.options[split.first] = split.second;
    }
  }
  const absl::StatusOr<std::unique_ptr<MemoryRule>> rule = MakeMemoryRule(config);
  if (!rule.ok()) return rule.status();
  return config;
}

absl::StatusOr<std::vector<RuleConfig>> ParseRules(const std::string& name,
                                                   const std::vector<std::string>& args) {
  if (name.empty() && !args.empty())
    return absl::InvalidArgumentError(
        absl::StrCat("\"", args[0], "\": of which rule? give --rule=R"));
  std::vector<RuleConfig> rules;
  for (const std::string& each :
       name.empty() ? MemoryRuleNames() : std::vector<std::string>{name}) {
    absl::StatusOr<RuleConfig> config = ParseRule(each, args);
    if (!config.ok()) return config.status();
    rules.push_back(*std::move(config));
  }
  return rules;
}

std::string Title(const RuleConfig& config) {
  std::string title = config.name;
  for (const auto& [name, value] : config.params) absl::StrAppend(&title, " ", name, "=", value);
  for (const auto& [name, value] : config.options) absl::StrAppend(&title, " ", name, "=", value);
  return title;
}

int64_t UsualChunk(const MemoryRule& rule) { return rule.anchored() ? 16 : 64; }

}  // namespace palimpsest
