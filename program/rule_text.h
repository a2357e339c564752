#ifndef PROGRAM_RULE_TEXT_H_
#define PROGRAM_RULE_TEXT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "memory_rules/rule.h"

namespace palimpsest {

// What a rule says of itself, in words.
const char* Values(GateKind kind);    // "in (0, 1)"
const char* OnePer(GateScope scope);  // "key channel"
std::vector<std::string> EquationLines(const MemoryRule& rule);
// "[value, 2 key]", of each tensor of a state, for one memory.
std::vector<std::string> StateShapes(const MemoryRule& rule);
// "yes", "l2", "0.5": the default and, "0 to 1" or "l2, dot", the others.
std::string DefaultOf(const ParamSpec& param);
std::string RangeOf(const ParamSpec& param);

// A rule as it is by default, and its parameters.
struct RuleDescription {
  std::string name;
  std::unique_ptr<MemoryRule> rule;
  std::vector<ParamSpec> params;
};
absl::StatusOr<RuleDescription> DescribeRule(const std::string& name);

// Of the rules as a document: what they have in common, a table, and a section each.
std::string RulesMarkdown(const std::vector<RuleDescription>& rules);

}  // namespace palimpsest

#endif  // PROGRAM_RULE_TEXT_H_
