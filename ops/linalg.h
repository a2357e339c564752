#ifndef OPS_LINALG_H_
#define OPS_LINALG_H_

#include "core/tensor.h"

namespace palimpsest {

struct Trans {
  bool a = false, b = false;
};

// op(a) op(b): [..., m, k] x [..., k, n] -> [..., m, n], where `trans` transposes the last two axes
// first. Leading axes are equal, or b is one matrix for all of a. bf16 accumulates in f32 and
// rounds once.
Tensor MatMul(const Tensor& a, const Tensor& b, Trans trans = {});

// add + op(a) op(b), of the product's shape, summed before it is rounded.
Tensor MatMulAdd(const Tensor& add, const Tensor& a, const Tensor& b, Trans trans = {});

// x x^T, or x^T x of the columns: [..., m, n] -> [..., m, m] or [..., n, n], for about half the
// work of MatMul(x, x). The gradient is (dy + dy^T) x, or x (dy + dy^T).
Tensor Gram(const Tensor& x, bool of_columns = false);

// X with (I + L) X = R, or (I + L)^T X = R, for the strictly lower triangle of `l` [..., n, n] (the
// rest is not read and gets gradient 0) and `r` [..., n, m]. f64 and f32.
Tensor TriSolve(const Tensor& l, const Tensor& r, bool transposed = false);

}  // namespace palimpsest

#endif  // OPS_LINALG_H_
