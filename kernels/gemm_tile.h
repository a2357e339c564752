#ifndef KERNELS_GEMM_TILE_H_
#define KERNELS_GEMM_TILE_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <type_traits>

#include "core/check.h"
#include "hwy/highway.h"

// What a blocked matrix product does in registers (Goto and van de Geijn 2008): tiles of c, slivers
// of a and b packed for them, dot products. An element of c is one chain of fused multiply-adds
// along k wherever in a tile it is, so its bits do not depend on how c is cut up. Compilers fuse as
// they see fit, in one tile and not in the next: here it is said.

namespace palimpsest::gemm_tile {

namespace hn = hwy::HWY_NAMESPACE;
template <typename T>
using Simd = hn::ScalableTag<T>;
template <typename T>
using Vector = hn::Vec<Simd<T>>;
template <typename T>
inline constexpr int kLanes = HWY_LANES(T);

// Rows and vectors of the tile of c held in registers: all but a few of the 32 or 16 there are.
inline constexpr bool kManyRegisters = HWY_LANES(uint8_t) >= 64;
inline constexpr int kRows = kManyRegisters ? 12 : 4, kVectors = kManyRegisters ? 2 : 3;
template <typename T>
inline constexpr int kCols = kVectors* kLanes<T>;
// Of k, at a time: a sliver of a and one of b fit the caches next to the core.
template <typename T>
inline constexpr int64_t kDepth = 1536 / sizeof(T);

// A matrix whose element (i, j) is data[i * row + j * col]; so a transpose is a swap.
template <typename T>
struct View {
  T* data;
  int64_t row, col;
  View At(int64_t i, int64_t j) const { return {data + i * row + j * col, row, col}; }
  View Transposed() const { return {data, col, row}; }
};

inline int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t RoundUp(int64_t a, int64_t b) { return CeilDiv(a, b) * b; }

// This thread's memory, kept between calls.
template <typename T, int purpose>
T* Scratch(int64_t size) {
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  thread_local std::unique_ptr<T, Free> data;
  thread_local int64_t capacity = 0;
  if (size > capacity) {
    data.reset(static_cast<T*>(std::aligned_alloc(64, RoundUp(size * sizeof(T), 64))));
    PALIMPSEST_CHECK(data != nullptr)
        << "no memory for " << size * sizeof(T) << " bytes of scratch";
    capacity = size;
  }
  return data.get();
}

// c[0:rows, 0:cols] = a b, or c += with `accumulate`, for as much of c as there is in registers.
template <typename T>
struct TileArgs {
  int64_t rows, cols, k;
  const T* a;
  int64_t step;  // From one of k to the next; the rows are contiguous.
  const T* b;
  int64_t ldb;
  T* c;
  int64_t ldc;
  bool accumulate;
};

template <typename T, int rows, int vectors>
void Tile(const TileArgs<T>& t, T* c, int64_t ldc, bool accumulate) {
  const Simd<T> d;
  Vector<T> sum[rows][vectors];
  for (auto& row : sum) std::fill_n(row, vectors, hn::Zero(d));
  const T *a = t.a, *b = t.b;
  const int64_t step = t.step, ldb = t.ldb;
  for (int64_t p = t.k; p > 0; --p, a += step, b += ldb) {
    Vector<T> bp[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) bp[v] = hn::LoadU(d, b + v * kLanes<T>);
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
      const Vector<T> ai = hn::Set(d, a[i]);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sum[i][v] = hn::MulAdd(ai, bp[v], sum[i][v]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      T* to = c + i * ldc + v * kLanes<T>;
      hn::StoreU(accumulate ? hn::Add(hn::LoadU(d, to), sum[i][v]) : sum[i][v], d, to);
    }
  }
}

// Rows that a tile of at least `rows` computes.
constexpr int TileRows(int64_t rows) {
  return rows <= 2 ? static_cast<int>(rows) : rows <= 4 ? 4 : rows <= 8 && kRows > 8 ? 8 : kRows;
}

template <typename T, int vectors>
void TileOfRows(const TileArgs<T>& t, T* c, int64_t ldc, bool accumulate) {
  switch (TileRows(t.rows)) {
    case 1: return Tile<T, 1, vectors>(t, c, ldc, accumulate);
    case 2: return Tile<T, 2, vectors>(t, c, ldc, accumulate);
    case 4: return Tile<T, 4, vectors>(t, c, ldc, accumulate);
    case 8: return Tile<T, TileRows(8), vectors>(t, c, ldc, accumulate);
    default: return Tile<T, kRows, vectors>(t, c, ldc, accumulate);
  }
}

// Of any size up to kRows x kCols; by way of a whole one where it is not one.
template <typename T>
void RunTile(const TileArgs<T>& t) {
  const bool one_vector = t.cols <= kLanes<T>;
  const auto run = [&](T* c, int64_t ldc, bool accumulate) {
    if (one_vector) return TileOfRows<T, 1>(t, c, ldc, accumulate);
    TileOfRows<T, kVectors>(t, c, ldc, accumulate);
  };
  if (t.cols == (one_vector ? kLanes<T> : kCols<T>)&&t.rows == TileRows(t.rows)) {
    return run(t.c, t.ldc, t.accumulate);
  }
  HWY_ALIGN T tile[kRows * kCols<T>];
  run(tile, kCols<T>, false);
  for (int64_t i = 0; i < t.rows; ++i) {
    const T* from = tile + i * kCols<T>;
    T* to = t.c + i * t.ldc;
    for (int64_t j = 0; j < t.cols; ++j) to[j] = t.accumulate ? to[j] + from[j] : from[j];
  }
}

// What a transpose shuffles.
template <typename T, int bytes>
struct VectorOf {
  typedef T type __attribute__((vector_size(bytes)));
};
template <typename V, typename T>
V Load(const T* p) {
  V v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}
template <typename V, typename T>
void Store(T* p, V v) {
  std::memcpy(p, &v, sizeof(v));
}

// Lanes of a, then b, by number.
template <int i, int j, int k, int l, typename T, typename V>
V Shuffle(V a, V b) {
#if __has_builtin(__builtin_shufflevector)
  return __builtin_shufflevector(a, b, i, j, k, l);
#else
  using Index = std::conditional_t<sizeof(T) == 8, int64_t,
                                   std::conditional_t<sizeof(T) == 4, int32_t, int16_t>>;
  return __builtin_shuffle(a, b, typename VectorOf<Index, 4 * sizeof(T)>::type{i, j, k, l});
#endif
}

// to[4, 4] with rows `ld` apart = the transpose of from[4, 4], rows `stride` apart.
template <typename S, typename T>
void Transpose4x4(const S* from, int64_t stride, T* to, int64_t ld) {
  using V = typename VectorOf<T, 4 * sizeof(T)>::type;
  V r[4];
  for (int i = 0; i < 4; ++i) {
    const S* s = from + i * stride;
    if constexpr (std::is_same_v<S, T>) {
      r[i] = Load<V>(s);
    } else {
      for (int j = 0; j < 4; ++j) r[i][j] = static_cast<T>(s[j]);
    }
  }
  const V lo01 = Shuffle<0, 4, 1, 5, T>(r[0], r[1]), hi01 = Shuffle<2, 6, 3, 7, T>(r[0], r[1]);
  const V lo23 = Shuffle<0, 4, 1, 5, T>(r[2], r[3]), hi23 = Shuffle<2, 6, 3, 7, T>(r[2], r[3]);
  Store(to, Shuffle<0, 1, 4, 5, T>(lo01, lo23));
  Store(to + ld, Shuffle<2, 3, 6, 7, T>(lo01, lo23));
  Store(to + 2 * ld, Shuffle<0, 1, 4, 5, T>(hi01, hi23));
  Store(to + 3 * ld, Shuffle<2, 3, 6, 7, T>(hi01, hi23));
}

// One sliver: to[p * width + j] = from(p, j) for p < k and j < cols, zeros for the other columns.
template <int width, typename S, typename T>
void PackSliver(View<const S> from, int64_t k, int64_t cols, T* to) {
  if (cols < width) {
    for (int64_t p = 0; p < k; ++p) std::fill(to + p * width + cols, to + (p + 1) * width, T(0));
  }
  if (from.col == 1) {
    for (int64_t p = 0; p < k; ++p) {
      const S* row = from.data + p * from.row;
      if (cols == width) {
        for (int j = 0; j < width; ++j) to[p * width + j] = static_cast<T>(row[j]);
      } else {
        for (int64_t j = 0; j < cols; ++j) to[p * width + j] = static_cast<T>(row[j]);
      }
    }
    return;
  }
  // Along k in fours, then what is left of the columns and of k.
  const int64_t fours = from.row == 1 ? cols / 4 * 4 : 0, depth = k / 4 * 4;
  for (int64_t p = 0; p < depth; p += 4) {
    for (int64_t j = 0; j < fours; j += 4) {
      Transpose4x4(from.At(p, j).data, from.col, to + p * width + j, width);
    }
  }
  for (int64_t j = 0; j < cols; ++j) {
    for (int64_t p = j < fours ? depth : 0; p < k; ++p) {
      to[p * width + j] = static_cast<T>(*from.At(p, j).data);
    }
  }
}

// Slivers one after another: columns [0, cols) of `from`, `width` at a time.
template <int width, typename S, typename T>
void Pack(View<const S> from, int64_t k, int64_t cols, T* to) {
  for (int64_t j = 0; j < cols; j += width, to += k * width) {
    PackSliver<width>(from.At(0, j), k, std::min<int64_t>(width, cols - j), to);
  }
}

template <typename T>
T SumLanes(Vector<T> v) {
  T lanes[kLanes<T>];
  hn::StoreU(v, Simd<T>(), lanes);
  for (int half = kLanes<T> / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

// sums[j] = sum_p a[p] b[j * ldb + p].
template <typename T, int cols>
void Dots(int64_t k, const T* a, const T* b, int64_t ldb, T* sums) {
  const Simd<T> d;
  Vector<T> sum[cols][2];
  for (auto& halves : sum) std::fill_n(halves, 2, hn::Zero(d));
  int64_t p = 0;
  const auto step = [&](int half) {
    const Vector<T> ap = hn::LoadU(d, a + p);
#pragma GCC unroll 4
    for (int j = 0; j < cols; ++j)
      sum[j][half] = hn::MulAdd(ap, hn::LoadU(d, b + j * ldb + p), sum[j][half]);
    p += kLanes<T>;
  };
  while (p + 2 * kLanes<T> <= k) step(0), step(1);
  if (p + kLanes<T> <= k) step(0);
  for (int j = 0; j < cols; ++j) sums[j] = SumLanes<T>(hn::Add(sum[j][0], sum[j][1]));
  for (; p < k; ++p) {
    for (int j = 0; j < cols; ++j) sums[j] = std::fma(a[p], b[j * ldb + p], sums[j]);
  }
}

}  // namespace palimpsest::gemm_tile

#endif  // KERNELS_GEMM_TILE_H_
