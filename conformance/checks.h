#ifndef CONFORMANCE_CHECKS_H_
#define CONFORMANCE_CHECKS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "conformance/measure.h"
#include "conformance/problem.h"
#include "memory_rules/rule.h"

namespace palimpsest {

// Where a rule is checked, beside the steps and the finite differences of the CPU in f64.
struct CheckScope {
  Device device = Device::kCpu;
  bool brief = false;  // Fewer lengths, and hardly any steps: where every operation is dear.

  bool Skips(Form form) const { return brief && form == Form::kSteps; }
  std::vector<int64_t> Of(std::vector<int64_t> all, std::vector<int64_t> few) const {
    return brief ? few : all;
  }
};

// Something every memory rule must be.
struct Check {
  std::string name;     // "chunks"
  std::string meaning;  // One line.
  void (*run)(const RuleConfig& rule, const CheckScope& at, Measurements* out);
};

// All of them, in the order in which a new rule passes them.
const std::vector<Check>& Checks();

// The chunkwise form is the definition, whatever the sizes; and the gradients are right.
void CheckChunks(const RuleConfig& rule, const CheckScope& at, Measurements* out);
void CheckSizes(const RuleConfig& rule, const CheckScope& at, Measurements* out);
void CheckGradients(const RuleConfig& rule, const CheckScope& at, Measurements* out);
void CheckChunkGradients(const RuleConfig& rule, const CheckScope& at, Measurements* out);
void CheckSecondGradients(const RuleConfig& rule, const CheckScope& at, Measurements* out);

// What belongs together and what does not: parts of a sequence, packed ones, batches, heads, time.
void CheckSplits(const RuleConfig& rule, const CheckScope& at, Measurements* out);
void CheckPacked(const RuleConfig& rule, const CheckScope& at, Measurements* out);
void CheckBatch(const RuleConfig& rule, const CheckScope& at, Measurements* out);
void CheckHeads(const RuleConfig& rule, const CheckScope& at, Measurements* out);
void CheckCausality(const RuleConfig& rule, const CheckScope& at, Measurements* out);

// Four times the tokens are four times the work, forward and backward.
void CheckWork(const RuleConfig& rule, const CheckScope& at, Measurements* out);

// Numbers: gates at their extremes, memory nobody wrote, f32 and bf16 against f64.
void CheckExtremes(const RuleConfig& rule, const CheckScope& at, Measurements* out);
void CheckPoison(const RuleConfig& rule, const CheckScope& at, Measurements* out);
void CheckF32(const RuleConfig& rule, const CheckScope& at, Measurements* out);
void CheckBf16(const RuleConfig& rule, const CheckScope& at, Measurements* out);

}  // namespace palimpsest

#endif  // CONFORMANCE_CHECKS_H_
