#ifndef KERNELS_TRI_SOLVE_H_
#define KERNELS_TRI_SOLVE_H_

#include <cstdint>

#include "core/dtype.h"
#include "core/kernel.h"

namespace palimpsest {

// x with (I + L) x = r, or (I + L)^T x = r, for the strictly lower triangle L of l.
struct TriSolveArgs {
  int64_t batch, n, m;
  bool transposed;
  const void* l;  // [batch, n, n]
  const void* r;  // [batch, n, m]
  void* x;        // [batch, n, m]; may be r.
  DType dtype;    // f64 or f32.
};

extern Kernel<void(const TriSolveArgs&)> tri_solve;

// The definition: a row after another.
void TriSolveReference(const TriSolveArgs& args);

}  // namespace palimpsest

#endif  // KERNELS_TRI_SOLVE_H_
