#include "ops/rope.h"

#include <utility>

#include "core/op_scope.h"
#include "core/tape.h"
#include "kernels/rope.h"

namespace palimpsest {
namespace {

// A rotation's adjoint turns back.
Tensor Turn(const Tensor& x, int64_t offset, double base, bool back) {
  const OpScope scope("rope");
  Tensor y = Tensor::Empty(x.shape(), x.dtype(), x.device());
  rope(x.device(), {.batch = x.dim(0),
                    .time = x.dim(1),
                    .heads = x.dim(2),
                    .dim = x.dim(3),
                    .offset = offset,
                    .base = base,
                    .back = back,
                    .dtype = x.dtype(),
                    .x = x.raw(),
                    .y = y.mutable_raw()});
  return Record(std::move(y),
                {{x, [=](const Tensor& dy) { return Turn(dy, offset, base, !back); }}});
}

}  // namespace

Tensor Rope(const Tensor& x, int64_t offset, double base) {
  const OpScope scope("rope");
  PALIMPSEST_CHECK(x.rank() == 4 && x.dim(3) % 2 == 0)
      << "needs [batch, time, heads, even], got " << x;
  PALIMPSEST_CHECK(base > 0.0) << "base " << base;
  return Turn(x, offset, base, false);
}

}  // namespace palimpsest
