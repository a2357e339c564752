#ifndef NN_PERSISTENT_H_
#define NN_PERSISTENT_H_

#include <cstdint>

#include "nn/init.h"

namespace palimpsest {

// Persistent memory: learnt tokens in front of a sequence's own (Behrouz et al. 2025, "Titans", eq.
// 19), as a part's input, [count, width]. None: no tensor.
Tensor MakePersistent(const ParamInit& init, int64_t count, int64_t width);

// [count, width] -> [batch, count, width]
Tensor ForBatch(const Tensor& persistent, int64_t batch);

}  // namespace palimpsest

#endif  // NN_PERSISTENT_H_
