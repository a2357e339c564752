#ifndef PROGRAM_RULE_BENCH_H_
#define PROGRAM_RULE_BENCH_H_

#include <cstdint>

#include "memory_rules/rule.h"

namespace palimpsest {

// One sequence, keys and values of `dim` channels.
struct BenchSize {
  int64_t time, dim, chunk, heads;
  DType dtype;  // Of the tokens; gates and state are f32 where that is bf16.
  Device device = Device::kCpu;
};

// Seconds of a run: of several, the best and the median.
struct Timing {
  double best = 0.0, median = 0.0;
  int runs = 0;
};

struct BenchResult {
  Timing forward, both;     // Both: and backward, with respect to all inputs.
  int64_t state_bytes = 0;  // Of all heads.
  int64_t peak_bytes = 0;   // The most that forward and backward hold besides the inputs.
  double flops = 0.0, both_flops = 0.0;  // A token, of all heads.
};

BenchResult BenchRule(const RuleConfig& rule, const BenchSize& size);

// Floating-point operations (FlopCount) a token and head of the rule's chunkwise form as composed
// of ops: counted as they run.
struct TokenFlops {
  double forward = 0.0, both = 0.0;
};
TokenFlops CountFlops(const RuleConfig& rule, int64_t key, int64_t value, int64_t chunk);

}  // namespace palimpsest

#endif  // PROGRAM_RULE_BENCH_H_
