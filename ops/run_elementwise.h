#ifndef OPS_RUN_ELEMENTWISE_H_
#define OPS_RUN_ELEMENTWISE_H_

#include "core/tensor.h"
#include "kernels/elementwise.h"

// The elementwise kernels on tensors: shapes checked, nothing recorded.
namespace palimpsest {

Tensor RunUnary(UnaryOp op, const Tensor& x, double p = 0.0, double q = 0.0);
// Broadcasts. `out` may be given: of the result's shape and dtype.
Tensor RunBinary(BinaryOp op, const Tensor& a, const Tensor& b, double p = 0.0, double q = 0.0,
                 Tensor out = {});
Tensor RunCast(const Tensor& x, DType dtype);
Tensor RunWhere(const Tensor& mask, const Tensor& a, const Tensor& b);

}  // namespace palimpsest

#endif  // OPS_RUN_ELEMENTWISE_H_
