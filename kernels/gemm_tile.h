#ifndef KERNELS_GEMM_TILE_H_
#define KERNELS_GEMM_TILE_H_

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "core/check.h"

// What a blocked matrix product does in registers (Goto and van de Geijn 2008): tiles of c, slivers
// of a and b packed for them, dot products. An element of c is one chain of multiply-adds along k
// wherever in a tile it is, so its bits do not depend on how c is cut up.

namespace palimpsest::gemm_tile {

// Rows and vectors of the tile of c held in registers: all but a few of the 32 or 16 there are.
#ifdef __AVX512F__
inline constexpr int kVectorBytes = 64, kRows = 12, kVectors = 2;
#else
inline constexpr int kVectorBytes = 32, kRows = 4, kVectors = 3;
#endif

template <typename T>
inline constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));
template <typename T>
inline constexpr int kCols = kVectors* kLanes<T>;
// Of k, at a time: a sliver of a and one of b fit the caches next to the core.
template <typename T>
inline constexpr int64_t kDepth = 1536 / sizeof(T);

template <typename T, int bytes>
struct VectorOf {
  typedef T type __attribute__((vector_size(bytes)));
};
template <typename T>
using Vector = typename VectorOf<T, kVectorBytes>::type;

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

// c[0:rows, 0:kCols] (+)= a b for a packed sliver of a (kRows to a column) and rows of b, `ldb`
// apart.
template <typename T, int rows>
void Tile(int64_t k, const T* a, const T* b, int64_t ldb, T* c, int64_t ldc, bool accumulate) {
  using V = Vector<T>;
  V sum[rows][kVectors] = {};
  for (int64_t p = 0; p < k; ++p, a += kRows, b += ldb) {
    V bp[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) bp[v] = Load<V>(b + v * kLanes<T>);
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
      const T ai = a[i];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[i][v] += ai * bp[v];
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      T* to = c + i * ldc + v * kLanes<T>;
      Store(to, accumulate ? Load<V>(to) + sum[i][v] : sum[i][v]);
    }
  }
}

template <typename T>
void TileOfRows(int64_t rows, int64_t k, const T* a, const T* b, int64_t ldb, T* c, int64_t ldc,
                bool accumulate) {
  if (rows == 1) return Tile<T, 1>(k, a, b, ldb, c, ldc, accumulate);
  if (rows == 2) return Tile<T, 2>(k, a, b, ldb, c, ldc, accumulate);
  if (rows <= 4) return Tile<T, 4>(k, a, b, ldb, c, ldc, accumulate);
  if (rows <= 8) return Tile<T, (kRows < 8 ? kRows : 8)>(k, a, b, ldb, c, ldc, accumulate);
  return Tile<T, kRows>(k, a, b, ldb, c, ldc, accumulate);
}

// The same for a tile of which only `rows` and `cols` are within c.
template <typename T>
void EdgeTile(int64_t rows, int64_t cols, int64_t k, const T* a, const T* b, int64_t ldb, T* c,
              int64_t ldc, bool accumulate) {
  if (cols == kCols<T> && (rows <= 2 || rows == 4 || rows == 8 || rows == kRows)) {
    return TileOfRows(rows, k, a, b, ldb, c, ldc, accumulate);
  }
  alignas(kVectorBytes) T tile[kRows * kCols<T>];
  TileOfRows(rows, k, a, b, ldb, tile, kCols<T>, false);
  for (int64_t i = 0; i < rows; ++i) {
    const T* from = tile + i * kCols<T>;
    T* to = c + i * ldc;
    for (int64_t j = 0; j < cols; ++j) to[j] = accumulate ? to[j] + from[j] : from[j];
  }
}

// to[4, 4] with rows `ld` apart = the transpose of from[4, 4], rows `stride` apart.
template <typename S, typename T>
void Transpose4x4(const S* from, int64_t stride, T* to, int64_t ld) {
  using V = typename VectorOf<T, 4 * sizeof(T)>::type;
  const auto row = [&](int i) {
    const S* s = from + i * stride;
    return V{static_cast<T>(s[0]), static_cast<T>(s[1]), static_cast<T>(s[2]),
             static_cast<T>(s[3])};
  };
  const V r0 = row(0), r1 = row(1), r2 = row(2), r3 = row(3);
  const V lo01 = __builtin_shufflevector(r0, r1, 0, 4, 1, 5),
          hi01 = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
  const V lo23 = __builtin_shufflevector(r2, r3, 0, 4, 1, 5),
          hi23 = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
  Store(to, __builtin_shufflevector(lo01, lo23, 0, 1, 4, 5));
  Store(to + ld, __builtin_shufflevector(lo01, lo23, 2, 3, 6, 7));
  Store(to + 2 * ld, __builtin_shufflevector(hi01, hi23, 0, 1, 4, 5));
  Store(to + 3 * ld, __builtin_shufflevector(hi01, hi23, 2, 3, 6, 7));
}

// One sliver: to[p * width + j] = from(p, j) for p < k and j < cols, zeros for the other columns.
template <int width, typename S, typename T>
void PackSliver(View<const S> from, int64_t k, int64_t cols, T* to) {
  if (from.col == 1 && cols == width) {
    for (int64_t p = 0; p < k; ++p) {
      for (int j = 0; j < width; ++j)
        to[p * width + j] = static_cast<T>(from.data[p * from.row + j]);
    }
    return;
  }
  int64_t transposed = 0;
  if (from.row == 1 && cols == width && width % 4 == 0) {
    transposed = k / 4 * 4;
    for (int64_t p = 0; p < transposed; p += 4) {
      for (int j = 0; j < width; j += 4) {
        Transpose4x4(from.At(p, j).data, from.col, to + p * width + j, width);
      }
    }
  }
  for (int64_t p = transposed; p < k; ++p) {
    for (int64_t j = 0; j < width; ++j) {
      to[p * width + j] = j < cols ? static_cast<T>(*from.At(p, j).data) : T(0);
    }
  }
}

// Slivers one after another: columns [0, cols) of `from`, `width` at a time.
template <int width, typename S, typename T>
void Pack(View<const S> from, int64_t k, int64_t cols, T* to) {
  for (int64_t j = 0; j < cols; j += width, to += k * width) {
    PackSliver<width>(from.At(0, j), k, cols - j < width ? cols - j : width, to);
  }
}

template <typename T>
T SumLanes(Vector<T> v) {
  T lanes[kLanes<T>];
  Store(lanes, v);
  for (int half = kLanes<T> / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

// sums[j] = sum_p a[p] b[j * ldb + p].
template <typename T, int cols>
void Dots(int64_t k, const T* a, const T* b, int64_t ldb, T* sums) {
  using V = Vector<T>;
  V sum[cols][2] = {};
  int64_t p = 0;
  const auto step = [&](int half) {
    const V ap = Load<V>(a + p);
#pragma GCC unroll 4
    for (int j = 0; j < cols; ++j) sum[j][half] += ap * Load<V>(b + j * ldb + p);
    p += kLanes<T>;
  };
  while (p + 2 * kLanes<T> <= k) step(0), step(1);
  if (p + kLanes<T> <= k) step(0);
  for (int j = 0; j < cols; ++j) sums[j] = SumLanes<T>(sum[j][0] + sum[j][1]);
  for (; p < k; ++p) {
    for (int j = 0; j < cols; ++j) sums[j] += a[p] * b[j * ldb + p];
  }
}

}  // namespace palimpsest::gemm_tile

#endif  // KERNELS_GEMM_TILE_H_
