#ifndef TESTS_RULE_ROWS_H_
#define TESTS_RULE_ROWS_H_

#include <ostream>
#include <string>
#include <vector>

#include "memory_rules/rule.h"

namespace palimpsest {

// The rows of the conformance test: every registered rule by default, and some with parameters.
std::vector<RuleConfig> SuiteRows();
std::string RowName(const RuleConfig& config);
void PrintTo(const RuleConfig& config, std::ostream* os);

}  // namespace palimpsest

#endif  // TESTS_RULE_ROWS_H_
