#ifndef MEMORY_RULES_LINEAR_SCAN_H_
#define MEMORY_RULES_LINEAR_SCAN_H_

#include <cstdint>

#include "memory_rules/linear_recurrence.h"

namespace palimpsest {

struct LinearScanResult {
  Tensor y;      // [batch, time, heads, value]: M_t q_t
  Tensor state;  // [batch * heads, value, key]
};

// Whether there is a kernel for such an update: no momentum, and keep a number.
bool LinearScanFuses(const LinearUpdate& update);

// The linear recurrence over a whole sequence by the fused kernel, in chunks of at most `chunk`:
// one node on a tape, with an analytical VJP (Yang et al. 2024, "Gated Delta Networks"), whose
// memory is the states at the chunks' starts. The update's tensors and q are in the public layout;
// state [batch * heads, value, key].
LinearScanResult LinearScan(const LinearUpdate& update, const Tensor& q, const Tensor& state,
                            int64_t chunk);

// The same composed of ops: the oracle.
LinearScanResult ComposedLinearScan(const LinearUpdate& update, const Tensor& q,
                                    const Tensor& state, int64_t chunk);

}  // namespace palimpsest

#endif  // MEMORY_RULES_LINEAR_SCAN_H_
