#ifndef PROGRAM_RULE_ARGS_H_
#define PROGRAM_RULE_ARGS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "memory_rules/rule.h"

namespace palimpsest {

// The rule `name` with the arguments NAME=VALUE: a number for a parameter, a name for an option.
// InvalidArgument or NotFound where there is no such rule or parameter.
absl::StatusOr<RuleConfig> ParseRule(const std::string& name, const std::vector<std::string>& args);
// That rule, or every one registered if `name` is empty.
absl::StatusOr<std::vector<RuleConfig>> ParseRules(const std::string& name,
                                                   const std::vector<std::string>& args);

// "titans_mlp depth=3 read=before"
std::string Title(const RuleConfig& config);

// A chunk length that suits the rule: 64, and 16 with an anchor, where it is part of the model.
int64_t UsualChunk(const MemoryRule& rule);

}  // namespace palimpsest

#endif  // PROGRAM_RULE_ARGS_H_
