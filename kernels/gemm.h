#ifndef KERNELS_GEMM_H_
#define KERNELS_GEMM_H_

#include <cstdint>

#include "core/dtype.h"
#include "core/kernel.h"

namespace palimpsest {

// Where rows and the matrices of a batch are, in elements. A [batch, time, heads, dim] tensor is a
// batch of {batch, heads} matrices [time, dim]: ld = heads * dim, strides = {time * heads * dim,
// dim}.
template <typename Pointer>
struct GemmMatrix {
  Pointer data = nullptr;
  int64_t ld = 0;               // From a row to the next.
  int64_t strides[2] = {0, 0};  // From a matrix to the next, outer and inner; 0 to use one for all.
};

// c = op(a) op(b), or op(a) op(b) + add: row-major, c is m x n, the inner extent is k.
struct GemmArgs {
  int64_t batch[2] = {1, 1};  // Outer, inner.
  int64_t m = 0, n = 0, k = 0;
  bool trans_a = false, trans_b = false;
  GemmMatrix<const void*> a = {}, b = {};
  GemmMatrix<void*> c = {};
  const void* add = nullptr;  // Lies as c does; c itself for c +=. Of `out`.
  // op(a) op(b) is symmetric, as a a^T is and a product of symmetric matrices that commute; so is
  // `add`. About half of c is computed, on and below the diagonal, and mirrored.
  bool symmetric = false;
  DType dtype = DType::kF32;  // Of a and b. bf16 accumulates in f32.
  DType out = DType::kF32;    // Of c: dtype, or f32 for bf16.
};

extern Kernel<void(const GemmArgs&)> gemm;

// While allowed, CUDA rounds the operands of f32 products to TF32, which keeps 10 of 23 bits of the
// mantissa, and is what tensor cores multiply. Of the process, and at first not allowed.
void AllowTf32(bool allowed);
bool Tf32Allowed();

// From x.data to matrix `item` of batch[0] * batch[1].
template <typename Pointer>
int64_t GemmOffset(const GemmArgs& args, const GemmMatrix<Pointer>& x, int64_t item) {
  return item / args.batch[1] * x.strides[0] + item % args.batch[1] * x.strides[1];
}

// The definition: one sum after another, in f64.
void GemmReference(const GemmArgs& args);

}  // namespace palimpsest

#endif  // KERNELS_GEMM_H_
