#include "ops/dropout.h"

#include <cmath>
#include <utility>

#include "core/op_scope.h"
#include "core/tape.h"
#include "kernels/dropout.h"

namespace palimpsest {

Tensor Dropout(const Tensor& x, double rate, const RandomStream& stream, const Tensor& step) {
  const OpScope scope("dropout");
  PALIMPSEST_CHECK(0.0 <= rate && rate <= 1.0 - 0x1p-32) << "rate " << rate << " for " << x;
  PALIMPSEST_CHECK(!step || (step.size() == 1 && step.device() == x.device()))
      << "step " << step << " for " << x;
  Tensor y = Tensor::Empty(x.shape(), x.dtype(), x.device());
  dropout(x.device(), {.size = x.size(),
                       .key = stream.Key(),
                       .step = stream.step,
                       .threshold = static_cast<uint32_t>(std::ceil(rate * 0x1p32)),
                       .scale = 1.0 / (1.0 - rate),
                       .dtype = x.dtype(),
                       .x = x.raw(),
                       .y = y.mutable_raw(),
                       .step_at = step ? step.data<int64_t>() : nullptr});
  // The mask is drawn again rather than kept.
  return Record(std::move(y),
                {{x, [=](const Tensor& dy) { return Dropout(dy, rate, stream, step); }}});
}

}  // namespace palimpsest
