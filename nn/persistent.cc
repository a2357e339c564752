#include "nn/persistent.h"

#include "ops/ops.h"

namespace palimpsest {

// What a part reads is normalised, and so are they at first.
Tensor MakePersistent(const ParamInit& init, int64_t count, int64_t width) {
  return count == 0 ? Tensor() : init.Normal({count, width}, 1.0);
}

Tensor ForBatch(const Tensor& persistent, int64_t batch) {
  const int64_t count = persistent.dim(0), width = persistent.dim(1);
  return BroadcastTo(Reshape(persistent, {1, count, width}), {batch, count, width});
}

}  // namespace palimpsest
