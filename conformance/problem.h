#ifndef CONFORMANCE_PROBLEM_H_
#define CONFORMANCE_PROBLEM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "memory_rules/rule.h"

namespace palimpsest {

struct ProblemSize {
  int64_t batch = 2, time = 20, heads = 2, key = 4, value = 3;
  int64_t key_heads = 0;  // 0: heads
};

// A rule with random tokens, gates and a state to begin from: unit-sized keys, gates inside their
// ranges.
struct Problem {
  std::shared_ptr<const MemoryRule> rule;
  Sequence seq;
  State state;

  // Everything a scan depends on, in one list, and the names of its entries; and back.
  Tensors Inputs() const;
  std::vector<std::string> InputNames() const;
  Problem With(const Tensors& inputs) const;
  // Tokens [begin, end) alone.
  Sequence Tokens(int64_t begin, int64_t end) const;
  // The rows [begin, end) of a batch.
  Problem Batch(int64_t begin, int64_t end) const;
  // Every gate of this name at one value.
  Problem WithGate(const std::string& name, double value) const;
  Problem CastTo(DType dtype) const;
  Problem CopyTo(Device device) const;
};

// Fresh from the registry; aborts if there is no such rule.
std::shared_ptr<const MemoryRule> RuleOf(const RuleConfig& config);
Problem MakeProblem(const RuleConfig& config, const ProblemSize& size, uint64_t seed = 0);

// y, then the state's tensors.
Tensors Flat(const ScanResult& result);
// The ways to run a rule that must agree: its steps, its chunks (fused where there is a kernel),
// and its chunks one after the other in ops.
enum class Form { kSteps, kChunks, kComposed };
inline constexpr Form kForms[] = {Form::kSteps, Form::kChunks, Form::kComposed};
std::string NameOf(Form form);
Tensors RunForm(const Problem& problem, Form form, int64_t chunk);

bool AllFinite(const Tensors& xs);

}  // namespace palimpsest

#endif  // CONFORMANCE_PROBLEM_H_
