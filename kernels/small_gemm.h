#ifndef KERNELS_SMALL_GEMM_H_
#define KERNELS_SMALL_GEMM_H_

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "hwy/highway.h"

// Products of matrices that lie in cache, and the triangular solve, on rows padded to whole
// vectors. Each element is summed over the inner index in ascending order, whatever the sizes
// around it.
namespace palimpsest::tile {

namespace hn = hwy::HWY_NAMESPACE;
template <typename T>
using Simd = hn::ScalableTag<T>;
template <typename T>
using Vec = hn::Vec<Simd<T>>;

// Rows of a register block. Rows of every matrix are padded to it, columns to kPad.
inline constexpr int kRows = 8;
template <typename T>
inline constexpr int64_t kPad = std::max<int64_t>(kRows, HWY_LANES(T));
// Vectors of a register block, of which there are 32 or 16.
template <typename T>
inline constexpr int kVecs = HWY_LANES(T) * sizeof(T) >= 64 ? 2 : 1;

template <typename T>
constexpr int64_t Padded(int64_t n) {
  return (n + kPad<T> - 1) / kPad<T> * kPad<T>;
}

// A left operand: element (i, p) is at[i * row + p * col], so a transposed one costs nothing.
template <typename T>
struct Left {
  const T* at;
  int64_t row, col;
};

template <typename T>
Left<T> Transposed(const Left<T>& a) {
  return {a.at, a.col, a.row};
}

// A row-major matrix, the rows `ld` apart.
template <typename T>
struct Matrix {
  T* at = nullptr;
  int64_t ld = 0;

  T* row(int64_t i) const { return at + i * ld; }
  Left<std::remove_const_t<T>> left() const { return {at, ld, 1}; }
  Left<std::remove_const_t<T>> transposed() const { return {at, 1, ld}; }
};

// Which part of the product is asked for or known to be zero.
enum class Part {
  kAll,
  kLowerResult,  // Columns up to the diagonal's block.
  kLowerLeft,    // a(i, p) = 0 for p > i
  kUpperLeft,    // a(i, p) = 0 for p < i
};

template <typename T, int kWidth>
struct Block {
  Vec<T> c[kRows][kWidth];

  HWY_INLINE void Load(Matrix<const T> from) {
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kWidth; ++v)
        c[i][v] = hn::Load(Simd<T>(), from.at + i * from.ld + v * hn::Lanes(Simd<T>()));
    }
  }
  HWY_INLINE void Zero() {
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kWidth; ++v) c[i][v] = hn::Zero(Simd<T>());
    }
  }
  HWY_INLINE void Store(Matrix<T> to) const {
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kWidth; ++v)
        hn::Store(c[i][v], Simd<T>(), to.at + i * to.ld + v * hn::Lanes(Simd<T>()));
    }
  }
  // += a(:, p) b(p, :) for p in [begin, end).
  HWY_INLINE void Accumulate(Left<T> a, Matrix<const T> b, int64_t begin, int64_t end) {
    const Simd<T> d;
    const T* a0 = a.at + begin * a.col;
    const T* a4 = a0 + 4 * a.row;
    const T* bp = b.at + begin * b.ld;
    const int64_t row = a.row, col = a.col, ld = b.ld;
    for (int64_t p = begin; p < end; ++p, a0 += col, a4 += col, bp += ld) {
      Vec<T> bv[kWidth];
#pragma GCC unroll 2
      for (int v = 0; v < kWidth; ++v) bv[v] = hn::Load(d, bp + v * hn::Lanes(d));
#pragma GCC unroll 8
      for (int i = 0; i < kRows; ++i) {
        const Vec<T> ai = hn::Set(d, i < 4 ? a0[i * row] : a4[(i - 4) * row]);
#pragma GCC unroll 2
        for (int v = 0; v < kWidth; ++v) c[i][v] = hn::MulAdd(ai, bv[v], c[i][v]);
      }
    }
  }
};

// Calls f.operator()<kWidth>(column) over blocks of columns.
template <typename T, typename F>
HWY_INLINE void OverColumns(int64_t n, F f) {
  constexpr int64_t kLanes = HWY_LANES(T), kWide = kVecs<T> * kLanes;
  int64_t j = 0;
  for (; j + kWide <= n; j += kWide) f.template operator()<kVecs<T>>(j);
  for (; j < n; j += kLanes) f.template operator()<1>(j);
}

// c = a b, or c += a b, for c [m, n] and inner length p. m is padded, n whole vectors.
template <bool kAdd, typename T>
void Gemm(Matrix<T> c, Left<T> a, Matrix<T> b, int64_t m, int64_t n, int64_t p,
          Part part = Part::kAll) {
  OverColumns<T>(n, [&]<int kWidth>(int64_t j) {
    for (int64_t i = 0; i < m; i += kRows) {
      if (part == Part::kLowerResult && j >= i + kRows) continue;
      const Matrix<T> to{c.at + i * c.ld + j, c.ld};
      Block<T, kWidth> block;
      if constexpr (kAdd) {
        block.Load({to.at, to.ld});
      } else {
        block.Zero();
      }
      block.Accumulate({a.at + i * a.row, a.row, a.col}, {b.at + j, b.ld},
                       part == Part::kUpperLeft ? i : 0,
                       part == Part::kLowerLeft ? std::min(i + kRows, p) : p);
      block.Store(to);
    }
  });
}

// x = (I - l)^{-1} x, or with l transposed, for the strictly lower triangle of l [m, m] and x [m,
// n].
template <bool kTransposed, typename T>
void SolveInPlace(Matrix<T> x, Matrix<T> l, int64_t m, int64_t n) {
  const Simd<T> d;
  OverColumns<T>(n, [&]<int kWidth>(int64_t j) {
    for (int64_t step = 0; step < m; step += kRows) {
      const int64_t i0 = kTransposed ? m - kRows - step : step;
      const Matrix<T> rows{x.at + i0 * x.ld + j, x.ld};
      const Left<T> a =
          kTransposed ? Left<T>{l.at + i0, 1, l.ld} : Left<T>{l.at + i0 * l.ld, l.ld, 1};
      Block<T, kWidth> block;
      block.Load({rows.at, rows.ld});
      block.Accumulate(a, {x.at + j, x.ld}, kTransposed ? i0 + kRows : 0, kTransposed ? m : i0);
#pragma GCC unroll 8
      for (int s = 1; s < kRows; ++s) {
        const int i = kTransposed ? kRows - 1 - s : s;
#pragma GCC unroll 8
        for (int r = 0; r < s; ++r) {
          const int p = kTransposed ? kRows - 1 - r : r;
          const Vec<T> factor = hn::Set(d, a.at[i * a.row + (i0 + p) * a.col]);
#pragma GCC unroll 2
          for (int v = 0; v < kWidth; ++v)
            block.c[i][v] = hn::MulAdd(factor, block.c[p][v], block.c[i][v]);
        }
      }
      block.Store(rows);
    }
  });
}

// to [n, m] = from [m, n] transposed; any sizes, anywhere.
template <typename T, typename From>
void Transpose(Matrix<T> to, Matrix<From> from, int64_t m, int64_t n) {
  constexpr int64_t kSide = sizeof(T) == 4 && HWY_LANES(T) >= 4 ? 4 : 1;
  for (int64_t i = 0; i < m; i += kSide) {
    int64_t j = 0;
    if constexpr (kSide == 4) {
      const hn::FixedTag<T, kSide> d;
      for (; i + kSide <= m && j + kSide <= n; j += kSide) {
        const auto row = [&](int64_t r) { return hn::LoadU(d, from.row(i + r) + j); };
        const auto r0 = row(0), r1 = row(1), r2 = row(2), r3 = row(3);
        const auto a = hn::InterleaveLower(d, r0, r2), b = hn::InterleaveLower(d, r1, r3);
        const auto c = hn::InterleaveUpper(d, r0, r2), e = hn::InterleaveUpper(d, r1, r3);
        hn::StoreU(hn::InterleaveLower(d, a, b), d, to.row(j) + i);
        hn::StoreU(hn::InterleaveUpper(d, a, b), d, to.row(j + 1) + i);
        hn::StoreU(hn::InterleaveLower(d, c, e), d, to.row(j + 2) + i);
        hn::StoreU(hn::InterleaveUpper(d, c, e), d, to.row(j + 3) + i);
      }
    }
    const int64_t rows = std::min(kSide, m - i);
    for (; j < n; ++j) {
      for (int64_t r = 0; r < rows; ++r) to.row(j)[i + r] = from.row(i + r)[j];
    }
  }
}

}  // namespace palimpsest::tile

#endif  // KERNELS_SMALL_GEMM_H_
