#include <cstdint>

#include "kernels/cuda/launch.h"
#include "kernels/tri_solve.h"

namespace palimpsest {
namespace {

constexpr int kColumns = 64;  // Of a block.

// A thread for each column: rows one after another, or from the last where transposed. What is
// solved of a column only its own thread reads.
template <typename T>
__global__ void TriSolveKernel(int64_t n, int64_t m, bool transposed, const T* l, const T* r,
                               T* x) {
  const int64_t strips = (m + kColumns - 1) / kColumns, item = blockIdx.x / strips;
  const int64_t column = blockIdx.x % strips * kColumns + threadIdx.x;
  if (column >= m) return;
  l += item * n * n, r += item * n * m + column, x += item * n * m + column;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t row = transposed ? n - 1 - i : i;
    T sum = r[row * m];
    for (int64_t j = 0; j < i; ++j) {
      const int64_t solved = transposed ? n - 1 - j : j;
      sum -= l[transposed ? solved * n + row : row * n + solved] * x[solved * m];
    }
    x[row * m] = sum;
  }
}

template <typename T>
void Run(const TriSolveArgs& g) {
  const int64_t blocks = g.batch * ((g.m + kColumns - 1) / kColumns);
  PALIMPSEST_CHECK(blocks <= INT32_MAX) << "batch " << g.batch << ", m " << g.m;
  Launch(TriSolveKernel<T>, static_cast<unsigned>(blocks), kColumns, 0, g.n, g.m, g.transposed,
         static_cast<const T*>(g.l), static_cast<const T*>(g.r), static_cast<T*>(g.x));
}

void TriSolveCuda(const TriSolveArgs& g) {
  if (g.dtype == DType::kF64) return Run<double>(g);
  PALIMPSEST_CHECK(g.dtype == DType::kF32) << "tri_solve of " << g.dtype;
  Run<float>(g);
}

PALIMPSEST_REGISTER_CUDA_KERNEL(tri_solve, TriSolveCuda);

}  // namespace
}  // namespace palimpsest
