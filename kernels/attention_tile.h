#ifndef KERNELS_ATTENTION_TILE_H_
#define KERNELS_ATTENTION_TILE_H_

// What the forward and backward attention kernels are made of. The logits of a tile are kept
// transposed, a row for each key with the queries side by side in vector lanes: then each product
// has a scalar of one operand times a vector of the other, no row of k or v is moved, and maxima
// and sums over keys need no exchange between lanes.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "kernels/causal_attention.h"

namespace palimpsest::attention {

#ifdef __AVX512F__
inline constexpr int kVectorBytes = 64, kRowsInRegisters = 8;
#else
inline constexpr int kVectorBytes = 32, kRowsInRegisters = 5;
#endif

// A vector of A, an unaligned one in memory, and of unsigned integers as wide, which may wrap.
template <typename A>
struct VectorOf {
  typedef A type __attribute__((vector_size(kVectorBytes)));
  typedef A unaligned __attribute__((vector_size(kVectorBytes), aligned(alignof(A)), may_alias));
  using Int = std::conditional_t<sizeof(A) == 8, uint64_t, uint32_t>;
  typedef Int integer __attribute__((vector_size(kVectorBytes)));
};
template <typename A>
using Vec = typename VectorOf<A>::type;
template <typename A>
using IntVec = typename VectorOf<A>::integer;

template <typename A>
inline constexpr int64_t kLanes = kVectorBytes / sizeof(A);
template <typename A>
inline constexpr int64_t kQueries = 2 * kLanes<A>;  // In a tile.
inline constexpr int64_t kKeys = 64;                // In a tile, at most.

template <typename A>
inline Vec<A> Load(const A* p) {
  return *reinterpret_cast<const typename VectorOf<A>::unaligned*>(p);
}
template <typename A>
inline void Store(A* p, Vec<A> v) {
  *reinterpret_cast<typename VectorOf<A>::unaligned*>(p) = v;
}
template <typename A>
inline int64_t RoundToLanes(int64_t n) {
  return (n + kLanes<A> - 1) / kLanes<A> * kLanes<A>;
}

// e^x for x <= 0, or a little above. 2^n e^r, |r| <= ln 2 / 2, with the series of e^r.
template <typename A>
inline Vec<A> Exp(Vec<A> x) {
  constexpr bool kDouble = sizeof(A) == 8;
  constexpr A kLowest = kDouble ? -708.0 : -87.0;
  // Adding it leaves the nearest integer in the low bits.
  constexpr A kRound = kDouble ? 0x1.8p52 : 0x1.8p23;
  constexpr A kLn2High = kDouble ? 0x1.62e42fefa38p-1 : 0x1.62e4p-1;
  constexpr A kLn2Low = kDouble ? 0x1.ef35793c7673p-45 : 0x1.7f7d1cp-20;
  const Vec<A> shifted = x * static_cast<A>(1.4426950408889634) + kRound;
  const Vec<A> n = shifted - kRound;
  const Vec<A> r = (x - n * kLn2High) - n * kLn2Low;
  constexpr int kTerms = kDouble ? 13 : 7;
  Vec<A> series = Vec<A>{} + static_cast<A>(1);
#pragma GCC unroll 13
  for (int i = kTerms; i > 0; --i)
    series = series * r * (static_cast<A>(1) / static_cast<A>(i)) + static_cast<A>(1);
  constexpr int kMantissa = kDouble ? 52 : 23;
  const auto power = reinterpret_cast<IntVec<A>>(shifted) << kMantissa;
  const auto scaled = reinterpret_cast<Vec<A>>(reinterpret_cast<IntVec<A>>(series) + power);
  return x < kLowest ? Vec<A>{} : scaled;
}

// A matrix whose element (i, j) is data[i * row + j * column].
template <typename A>
struct View {
  const A* data;
  int64_t row, column;
};

// kRows rows and kVectors vectors of c = keep c + a b; without `keep`, of c = a b.
template <int kRows, int kVectors, typename A>
inline __attribute__((always_inline)) void MatMulBlock(int64_t k, View<A> a, const A* b,
                                                       int64_t b_row, const A* keep, A* c,
                                                       int64_t c_row) {
  Vec<A> sum[kRows][kVectors];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) {
      const int64_t at = j * kLanes<A>;
      sum[i][j] = keep == nullptr ? Vec<A>{} : Load(c + i * c_row + at) * Load(keep + at);
    }
  }
  for (int64_t p = 0; p < k; ++p) {
    Vec<A> row[kVectors];
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) row[j] = Load(b + p * b_row + j * kLanes<A>);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      const A x = a.data[i * a.row + p * a.column];
#pragma GCC unroll 2
      for (int j = 0; j < kVectors; ++j) sum[i][j] += x * row[j];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) Store(c + i * c_row + j * kLanes<A>, sum[i][j]);
  }
}

template <int kRows, int kVectors, typename A>
inline void MatMulRows(int64_t m, int64_t k, View<A> a, const A* b, int64_t b_row, const A* keep,
                       A* c, int64_t c_row) {
  for (; m >= kRows; m -= kRows) {
    MatMulBlock<kRows, kVectors>(k, a, b, b_row, keep, c, c_row);
    a.data += kRows * a.row;
    c += kRows * c_row;
  }
  if constexpr (kRows > 1) MatMulRows<kRows / 2, kVectors>(m, k, a, b, b_row, keep, c, c_row);
}

// c = keep c + a b, or c = a b without `keep`: c [m, n], inner extent k; n whole vectors. `keep`
// has a factor for each column.
template <typename A>
void MatMulTile(int64_t m, int64_t n, int64_t k, View<A> a, const A* b, int64_t b_row,
                const A* keep, A* c, int64_t c_row) {
  int64_t j = 0;
  const auto keep_at = [&](int64_t column) { return keep == nullptr ? nullptr : keep + column; };
  for (; j + 2 * kLanes<A> <= n; j += 2 * kLanes<A>) {
    MatMulRows<kRowsInRegisters, 2>(m, k, a, b + j, b_row, keep_at(j), c + j, c_row);
  }
  if (j < n) MatMulRows<kRowsInRegisters, 1>(m, k, a, b + j, b_row, keep_at(j), c + j, c_row);
}

// A zeroed piece of memory, aligned for vectors.
template <typename A>
class Buffer {
 public:
  explicit Buffer(int64_t size) : vectors_(RoundToLanes<A>(size) / kLanes<A>) {}
  A* data() { return reinterpret_cast<A*>(vectors_.data()); }
  const A* data() const { return reinterpret_cast<const A*>(vectors_.data()); }

 private:
  std::vector<Vec<A>> vectors_;
};

// Rows of one head of a [batch, rows, heads, dim] tensor.
template <typename T>
struct HeadRows {
  HeadRows(const void* tensor, int64_t b, int64_t rows, int64_t heads, int64_t h, int64_t dim)
      : data(static_cast<T*>(const_cast<void*>(tensor)) + (b * rows * heads + h) * dim),
        stride(heads * dim),
        dim(dim) {}
  T* operator()(int64_t row) const { return data + row * stride; }
  T* data;
  int64_t stride, dim;
};

// `count` rows from `first` on as accumulators, [count, dim]; in place if they are that already.
template <typename T, typename A>
View<A> Widen(const HeadRows<T>& rows, int64_t first, int64_t count, A* scratch) {
  if constexpr (std::is_same_v<T, A>) {
    return {rows(first), rows.stride, 1};
  } else {
    for (int64_t i = 0; i < count; ++i) {
      std::transform(rows(first + i), rows(first + i) + rows.dim, scratch + i * rows.dim,
                     [](T x) { return static_cast<A>(x); });
    }
    return {scratch, rows.dim, 1};
  }
}

// columns[d][i] = scale rows[first + i][d], [dim, kQueries].
template <typename T, typename A>
void PackColumns(const HeadRows<T>& rows, int64_t first, int64_t count, A scale, A* columns) {
  for (int64_t i = 0; i < count; ++i) {
    const T* row = rows(first + i);
    for (int64_t d = 0; d < rows.dim; ++d)
      columns[d * kQueries<A> + i] = scale * static_cast<A>(row[d]);
  }
}

// rows[first + i][d] = factors[i] columns[d][i].
template <typename T, typename A>
void UnpackColumns(const A* columns, const A* factors, int64_t first, int64_t count,
                   const HeadRows<T>& rows) {
  for (int64_t i = 0; i < count; ++i) {
    T* row = rows(first + i);
    for (int64_t d = 0; d < rows.dim; ++d)
      row[d] = static_cast<T>(factors[i] * columns[d * kQueries<A> + i]);
  }
}

// Who sees whom, for the queries at positions [begin, end).
struct Sight {
  Sight(const CausalAttentionArgs& a, int64_t begin, int64_t end)
      : begin(begin),
        end(end),
        window(a.window > 0 ? a.window : a.source),
        prefix(std::min(a.prefix, a.source)) {}

  // Calls f(first, count) on the tiles of keys in [from, to) that some query sees, in order.
  template <typename F>
  void ForEachTile(int64_t from, int64_t to, F f) const {
    const int64_t recent = std::max(begin - window + 1, prefix);
    ForRange(from, std::min(to, prefix), f);
    ForRange(std::max(from, recent), std::min(to, end), f);
  }

  bool SeeAll(int64_t first, int64_t count) const {
    return first + count <= prefix || (first + count - 1 <= begin && first > end - 1 - window);
  }

  // The logits [count, kQueries] of what is not seen become -inf.
  template <typename A>
  void Mask(int64_t first, int64_t count, A* logits) const {
    if (SeeAll(first, count)) return;
    constexpr A kNever = -std::numeric_limits<A>::infinity();
    for (int64_t key = std::max(first, prefix); key < first + count; ++key) {
      A* row = logits + (key - first) * kQueries<A>;
      const int64_t seen_from = key - begin, seen_to = key + window - begin;
      for (int64_t i = 0; i < kQueries<A>; ++i)
        row[i] = i < seen_from || i >= seen_to ? kNever : row[i];
    }
  }

  const int64_t begin, end, window, prefix;

 private:
  // Tiles end at multiples of kKeys: which keys are summed together is the same for a query alone
  // as among others.
  template <typename F>
  static void ForRange(int64_t from, int64_t to, F f) {
    while (from < to) {
      const int64_t count = std::min(kKeys - from % kKeys, to - from);
      f(from, count);
      from += count;
    }
  }
};

}  // namespace palimpsest::attention

#endif  // KERNELS_ATTENTION_TILE_H_
