#ifndef MEMORY_RULES_PAIR_SUMS_H_
#define MEMORY_RULES_PAIR_SUMS_H_

#include "memory_rules/rule.h"

namespace palimpsest {

// What many pairs (k_i, v_i) written at once come to.
struct PairSums {
  Tensor value_key;  // sum_i v_i k_i^T [batch, value, key]
  // sum_i k_i k_i^T [batch, key, key]; or, for one memory M, what becomes of it:
  Tensor key_key = {};
  Tensor read_key = {};  // sum_i (M k_i) k_i^T [batch, value, key]
};

// k [batch, pairs, key], v [batch, pairs, value].
PairSums SumPairs(const Tensor& k, const Tensor& v);

// Whether all a rule needs of a block of pairs is their sums: linear rules that erase with the key
// they write, have no momentum and no anchor.
bool StepsBySums(const MemoryRule& rule);

// rule.Step for a block with these sums, whose gates [batch, 1] are those of every pair.
State StepBySums(const MemoryRule& rule, const State& state, const PairSums& sums,
                 const Gates& gates);

}  // namespace palimpsest

#endif  // MEMORY_RULES_PAIR_SUMS_H_
