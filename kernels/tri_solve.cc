#include "kernels/tri_solve.h"

#include <algorithm>

#include "core/parallel.h"
#include "kernels/gemm_tile.h"

namespace palimpsest {

constinit Kernel<void(const TriSolveArgs&)> tri_solve("tri_solve");

namespace {

using gemm_tile::kCols;
using gemm_tile::kLanes;
using gemm_tile::kVectors;
using gemm_tile::View;

constexpr int64_t kGrainWork = 1 << 16;  // Multiply-adds.

template <typename F>
void Dispatch(DType dtype, F f) {
  if (dtype == DType::kF64) return f.template operator()<double>();
  PALIMPSEST_CHECK(dtype == DType::kF32) << "tri_solve of " << dtype;
  f.template operator()<float>();
}

// One system. The transposed one is lower triangular too when its rows are taken from the last.
template <typename T>
struct System {
  System(const TriSolveArgs& g, int64_t item) : n(g.n), m(g.m) {
    const T* pl = static_cast<const T*>(g.l) + item * n * n;
    const T* pr = static_cast<const T*>(g.r) + item * n * m;
    T* px = static_cast<T*>(g.x) + item * n * m;
    l = {pl, n, 1}, r = {pr, m, 1}, x = {px, m, 1};
    if (!g.transposed || n == 0) return;
    l = {l.At(n - 1, n - 1).data, -1, -n};
    r = {r.At(n - 1, 0).data, -m, 1};
    x = {x.At(n - 1, 0).data, -m, 1};
  }
  int64_t n, m;
  View<const T> l, r;
  View<T> x;
};

// Rows [i, i + rows) of a strip of x, kCols wide, whose rows before i are solved and others are
// r's.
template <typename T, int rows>
void SolveRows(View<const T> l, int64_t i, T* x) {
  namespace hn = gemm_tile::hn;
  const gemm_tile::Simd<T> d;
  gemm_tile::Vector<T> sum[rows][kVectors];
  const auto each = [](auto f) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) f(v);
  };
  for (int a = 0; a < rows; ++a) {
    each([&](int v) { sum[a][v] = hn::LoadU(d, x + (i + a) * kCols<T> + v * kLanes<T>); });
  }
  for (int64_t j = 0; j < i; ++j) {
    const T* xj = x + j * kCols<T>;
#pragma GCC unroll 4
    for (int a = 0; a < rows; ++a) {
      const auto la = hn::Set(d, *l.At(i + a, j).data);
      each([&](int v) {
        sum[a][v] = hn::NegMulAdd(la, hn::LoadU(d, xj + v * kLanes<T>), sum[a][v]);
      });
    }
  }
#pragma GCC unroll 4
  for (int a = 0; a < rows; ++a) {
#pragma GCC unroll 4
    for (int b = 0; b < a; ++b) {
      const auto lab = hn::Set(d, *l.At(i + a, i + b).data);
      each([&](int v) { sum[a][v] = hn::NegMulAdd(lab, sum[b][v], sum[a][v]); });
    }
    each([&](int v) { hn::StoreU(sum[a][v], d, x + (i + a) * kCols<T> + v * kLanes<T>); });
  }
}

template <typename T>
void SolveStrip(const System<T>& s, int64_t first) {
  const int64_t cols = std::min<int64_t>(kCols<T>, s.m - first);
  T* strip = gemm_tile::Scratch<T, 3>(s.n * kCols<T>);
  for (int64_t i = 0; i < s.n; ++i) {
    T* row = strip + i * kCols<T>;
    std::copy_n(s.r.At(i, first).data, cols, row);
    std::fill(row + cols, row + kCols<T>, T(0));
  }
  int64_t i = 0;
  for (; i + 4 <= s.n; i += 4) SolveRows<T, 4>(s.l, i, strip);
  for (; i < s.n; ++i) SolveRows<T, 1>(s.l, i, strip);
  for (i = 0; i < s.n; ++i) std::copy_n(strip + i * kCols<T>, cols, s.x.At(i, first).data);
}

void TriSolveCpu(const TriSolveArgs& g) {
  Dispatch(g.dtype, [&]<typename T>() {
    const int64_t strips = (g.m + kCols<T> - 1) / kCols<T>;
    const int64_t work = std::max<int64_t>(1, g.n * g.n / 2 * kCols<T>);
    ParallelFor(g.batch * strips, kGrainWork / work, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        SolveStrip(System<T>(g, i / strips), i % strips * kCols<T>);
      }
    });
  });
}

PALIMPSEST_REGISTER_KERNEL(tri_solve, kCpu, TriSolveCpu);

}  // namespace

void TriSolveReference(const TriSolveArgs& g) {
  Dispatch(g.dtype, [&]<typename T>() {
    for (int64_t item = 0; item < g.batch; ++item) {
      const System<T> s(g, item);
      for (int64_t i = 0; i < s.n; ++i) {
        for (int64_t c = 0; c < s.m; ++c) {
          T sum = *s.r.At(i, c).data;
          for (int64_t j = 0; j < i; ++j) sum -= *s.l.At(i, j).data * *s.x.At(j, c).data;
          *s.x.At(i, c).data = sum;
        }
      }
    }
  });
}

}  // namespace palimpsest
