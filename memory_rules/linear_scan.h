#ifndef MEMORY_RULES_LINEAR_SCAN_H_
#define MEMORY_RULES_LINEAR_SCAN_H_

#include <cstdint>

#include "memory_rules/linear_recurrence.h"
#include "memory_rules/rule.h"

namespace palimpsest {

// Whether there is a kernel for such an update: keep a number or per channel, or a number with
// momentum.
bool LinearScanFuses(const LinearUpdate& update);

// The linear recurrence over a whole sequence by the fused kernel, which keeps its states every
// `chunk` tokens for the backward pass: one node on a tape, with an analytical VJP. The update's
// tensors and q are in the public layout, or without heads, [batch, time, dim]; `state` is M and,
// with momentum, S, [batch * heads, value, key]. Rows of bf16 go with gates and states of f32; y is
// as the rows. With `cu_seqlens` (integer [sequences + 1], from 0 to time; batch is 1) the states
// are those of sequences packed along time.
ScanResult LinearScan(const LinearUpdate& update, const Tensor& q, const State& state,
                      int64_t chunk, const Tensor& cu_seqlens = {});

// The same composed of ops: the oracle.
ScanResult ComposedLinearScan(const LinearUpdate& update, const Tensor& q, const State& state,
                              int64_t chunk, const Tensor& cu_seqlens = {});

}  // namespace palimpsest

#endif  // MEMORY_RULES_LINEAR_SCAN_H_
