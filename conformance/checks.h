#ifndef CONFORMANCE_CHECKS_H_
#define CONFORMANCE_CHECKS_H_

#include <string>
#include <vector>

#include "conformance/measure.h"
#include "memory_rules/rule.h"

namespace palimpsest {

// Something every memory rule must be.
struct Check {
  std::string name;     // "chunks"
  std::string meaning;  // One line.
  void (*run)(const RuleConfig& rule, Measurements* out);
};

// All of them, in the order in which a new rule passes them.
const std::vector<Check>& Checks();

// The chunkwise form is the definition, whatever the sizes; and the gradients are right.
void CheckChunks(const RuleConfig& rule, Measurements* out);
void CheckSizes(const RuleConfig& rule, Measurements* out);
void CheckGradients(const RuleConfig& rule, Measurements* out);
void CheckChunkGradients(const RuleConfig& rule, Measurements* out);
void CheckSecondGradients(const RuleConfig& rule, Measurements* out);

// What belongs together and what does not: parts of a sequence, packed ones, batches, heads, time.
void CheckSplits(const RuleConfig& rule, Measurements* out);
void CheckPacked(const RuleConfig& rule, Measurements* out);
void CheckBatch(const RuleConfig& rule, Measurements* out);
void CheckHeads(const RuleConfig& rule, Measurements* out);
void CheckCausality(const RuleConfig& rule, Measurements* out);

// Four times the tokens are four times the work, forward and backward.
void CheckWork(const RuleConfig& rule, Measurements* out);

// Numbers: gates at their extremes, memory nobody wrote, f32 and bf16 against f64.
void CheckExtremes(const RuleConfig& rule, Measurements* out);
void CheckPoison(const RuleConfig& rule, Measurements* out);
void CheckF32(const RuleConfig& rule, Measurements* out);
void CheckBf16(const RuleConfig& rule, Measurements* out);

}  // namespace palimpsest

#endif  // CONFORMANCE_CHECKS_H_
