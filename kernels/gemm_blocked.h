#ifndef KERNELS_GEMM_BLOCKED_H_
#define KERNELS_GEMM_BLOCKED_H_

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "core/parallel.h"
#include "core/tensor.h"
#include "kernels/gemm.h"
#include "kernels/gemm_tile.h"

// Matrix products of our own, for all types: stored as S, computed in T, written as Out. How the
// work is cut up depends on the shape alone, so the bits are the same for any number of threads.

namespace palimpsest::gemm_tile {

inline constexpr int64_t kPanelRows = 96;                     // Of a, packed at a time.
inline constexpr int64_t kBlockRows = 768, kBlockCols = 512;  // Of c, to a task at most.
inline constexpr int64_t kDirectDepth = 128;
inline constexpr int64_t kTasks = 16;          // Wanted, where there is work enough.
inline constexpr int64_t kTaskWork = 1 << 18;  // Multiply-adds worth waking a thread for.

// n in equal parts of at most `most`, each a multiple of `unit`.
inline int64_t EvenPart(int64_t n, int64_t most, int64_t unit) {
  return RoundUp(CeilDiv(n, std::max<int64_t>(1, CeilDiv(n, most))), unit);
}

template <typename S, typename T, typename Out>
class BlockedGemm {
 public:
  explicit BlockedGemm(const GemmArgs& g)
      : g_(g), m_(g.m), n_(g.n), k_(g.k), items_(g.batch[0] * g.batch[1]) {
    // Few columns would leave most of each vector empty: compute the transpose.
    swap_ = n_ < m_ && n_ <= 8;
    if (swap_) std::swap(m_, n_);
  }

  void Run() {
    if (items_ * m_ * n_ == 0) return;
    if (UseDots()) return RunDots();
    // Little is gained by packing what few rows use, or a b of few pages.
    direct_b_ =
        std::is_same_v<S, T> && ViewB(0).col == 1 && (m_ <= 2 * kRows || k_ <= kDirectDepth);
    Plan();
    if (rows_ < m_ && items_ < kTasks && !direct_b_) PackAllOfB();
    if (cols_ < n_ && items_ < kTasks && m_ > 2 * kRows) PackAllOfA();
    const int64_t blocks = Blocks(), work = std::max<int64_t>(1, rows_ * cols_ * k_);
    ParallelFor(items_ * blocks, CeilDiv(kTaskWork, work), [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        // The last rows first: of a symmetric c they are the most work.
        int64_t i = CeilDiv(m_, rows_) - 1, block = task % blocks;
        while (block >= ColBlocks(i)) block -= ColBlocks(i--);
        Block(task / blocks, i * rows_, block * cols_);
      }
    });
  }

 private:
  template <typename E, typename Pointer>
  View<E> ViewOf(const GemmMatrix<Pointer>& x, bool transposed, int64_t item) const {
    const View<E> view{static_cast<E*>(x.data) + GemmOffset(g_, x, item), x.ld, 1};
    return transposed ? view.Transposed() : view;
  }
  View<const S> ViewA(int64_t item) const {
    return swap_ ? ViewOf<const S>(g_.b, !g_.trans_b, item)
                 : ViewOf<const S>(g_.a, g_.trans_a, item);
  }
  View<const S> ViewB(int64_t item) const {
    return swap_ ? ViewOf<const S>(g_.a, !g_.trans_a, item)
                 : ViewOf<const S>(g_.b, g_.trans_b, item);
  }
  View<Out> ViewC(int64_t item) const { return ViewOf<Out>(g_.c, swap_, item); }
  // What is added at the element of c that is at `at`.
  const Out* Added(const Out* at) const {
    return static_cast<const Out*>(g_.add) + (at - static_cast<const Out*>(g_.c.data));
  }

  void Plan() {
    rows_ = EvenPart(m_, kBlockRows, kRows);
    cols_ = EvenPart(n_, kBlockCols, kCols<T>);
    // Low blocks follow a diagonal.
    const int64_t least_rows = g_.symmetric ? 2 * kRows : kPanelRows;
    const auto splits = [&] {
      return items_ * Blocks() < kTasks && rows_ * cols_ * k_ > 4 * kTaskWork;
    };
    while (splits() && rows_ > least_rows)
      rows_ = EvenPart(m_, std::max(least_rows, rows_ / 2), kRows);
    while (splits() && cols_ > 4 * kCols<T>) cols_ = EvenPart(n_, cols_ / 2, kCols<T>);
  }

  // Columns [0, end) of c are computed in this row, or in rows up to it.
  int64_t EndOfRow(int64_t row) const { return g_.symmetric ? std::min(row + 1, n_) : n_; }
  int64_t ColBlocks(int64_t row_block) const {
    return CeilDiv(EndOfRow(std::min(m_, (row_block + 1) * rows_) - 1), cols_);
  }
  int64_t Blocks() const {
    int64_t sum = 0;
    for (int64_t i = 0; i < CeilDiv(m_, rows_); ++i) sum += ColBlocks(i);
    return sum;
  }

  // What several blocks of c are made of, packed once: each item's b, or a, in slivers, block of k
  // after block of k.
  void PackAllOfB() {
    packed_ = PackAll<kCols<T>>(n_, [&](int64_t item) { return ViewB(item); });
  }
  void PackAllOfA() {
    packed_a_ = PackAll<kRows>(m_, [&](int64_t item) { return ViewA(item).Transposed(); });
  }

  template <int width, typename ViewOfItem>
  Tensor PackAll(int64_t cols, ViewOfItem view) const {
    const int64_t padded = RoundUp(cols, width), slivers = padded / width;
    Tensor packed = Tensor::Empty({items_, k_, padded}, kDTypeOf<T>);
    T* to = packed.template mutable_data<T>();
    const int64_t depths = CeilDiv(k_, kDepth<T>);
    ParallelFor(items_ * depths * slivers, 4, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t item = i / (depths * slivers), p = i / slivers % depths * kDepth<T>;
        const int64_t j = i % slivers * width, depth = std::min(kDepth<T>, k_ - p);
        Pack<width>(view(item).At(p, j), depth, std::min<int64_t>(width, cols - j),
                    to + (item * k_ + p) * padded + j * depth);
      }
    });
    return packed;
  }

  // The block of c at (i, j). Where c is not T in contiguous rows, by way of scratch that is.
  void Block(int64_t item, int64_t i, int64_t j) const {
    const int64_t rows = std::min(rows_, m_ - i), cols = std::min(cols_, n_ - j);
    const View<Out> c = ViewC(item).At(i, j);
    if constexpr (std::is_same_v<Out, T>) {
      if (c.col == 1) {
        for (int64_t r = 0; r < rows && g_.add != nullptr && g_.add != g_.c.data; ++r) {
          Out* row = c.data + r * c.row;
          std::copy_n(Added(row), std::max<int64_t>(0, std::min(cols, EndOfRow(i + r) - j)), row);
        }
        return Product(item, i, j, rows, cols, c.data, c.row, g_.add != nullptr);
      }
    }
    T* sum = Scratch<T, 0>(rows * cols);
    Product(item, i, j, rows, cols, sum, cols, false);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t s = 0; s < std::min(cols, EndOfRow(i + r) - j); ++s) {
        Out& to = *c.At(r, s).data;
        const T x = sum[r * cols + s];
        to = static_cast<Out>(g_.add != nullptr ? static_cast<T>(*Added(&to)) + x : x);
      }
    }
  }

  void Product(int64_t item, int64_t i0, int64_t j0, int64_t rows, int64_t cols, T* c, int64_t ldc,
               bool accumulate) const {
    const View<const S> a = ViewA(item).At(i0, 0), b = ViewB(item).At(0, j0);
    int64_t p = 0;
    do {
      const int64_t depth = std::min(kDepth<T>, k_ - p);
      const T* packed_b = PackedB(item, b, p, j0, depth, cols);
      for (int64_t i = 0; i < rows; i += kPanelRows) {
        const int64_t panel = std::min(kPanelRows, rows - i);
        // The first row with something to compute in column j is j - above.
        const int64_t above = g_.symmetric ? i0 + i - j0 : cols;
        Panel(PackedA(item, a.At(i, p), i0 + i, p, panel, depth), b.At(p, 0), panel, cols, depth,
              packed_b, c + i * ldc, ldc, accumulate, above);
      }
      accumulate = true;
      p += depth;
    } while (p < k_);
  }

  // Where a panel of a is ready for the tiles: sliver after sliver, `step` from one of k to the
  // next.
  struct Slivers {
    const T* data;
    int64_t sliver, step;
  };

  Slivers PackedA(int64_t item, View<const S> a, int64_t i, int64_t p, int64_t rows,
                  int64_t depth) const {
    if (packed_a_) {
      const int64_t at = (item * k_ + p) * packed_a_.dim(-1) + i * depth;
      return {packed_a_.template data<T>() + at, kRows * depth, kRows};
    }
    if constexpr (std::is_same_v<S, T>) {
      if (rows == 1) return {a.data, 0, a.col};
    }
    T* to = Scratch<T, 1>(RoundUp(rows, kRows) * std::max<int64_t>(1, depth));
    Pack<kRows>(a.Transposed(), depth, rows, to);
    return {to, kRows * depth, kRows};
  }

  const T* PackedB(int64_t item, View<const S> b, int64_t p, int64_t j0, int64_t depth,
                   int64_t cols) const {
    if (packed_) {
      const int64_t padded = packed_.dim(-1);
      return packed_.template data<T>() + (item * k_ + p) * padded + j0 * depth;
    }
    // Read where it is, all but the columns that do not fill a tile.
    const int64_t in_place = direct_b_ ? cols / kCols<T> * kCols<T> : 0;
    T* to = Scratch<T, 2>(RoundUp(cols, kCols<T>) * std::max<int64_t>(1, depth));
    Pack<kCols<T>>(b.At(p, in_place), depth, cols - in_place, to + in_place * depth);
    return to;
  }

  void Panel(Slivers a, View<const S> b, int64_t rows, int64_t cols, int64_t depth,
             const T* packed_b, T* c, int64_t ldc, bool accumulate, int64_t above) const {
    for (int64_t j = 0; j < cols; j += kCols<T>) {
      const int64_t width = std::min<int64_t>(kCols<T>, cols - j);
      const T* tile_b = packed_b + j * depth;
      int64_t ldb = kCols<T>;
      if constexpr (std::is_same_v<S, T>) {
        if (direct_b_ && width == kCols<T>) tile_b = b.data + j, ldb = b.row;
      }
      for (int64_t i = std::max<int64_t>(0, j - above) / kRows * kRows; i < rows; i += kRows) {
        // At a diagonal one vector of columns may be all there is to compute.
        const bool one_vector = i + kRows + above - j <= kLanes<T>;
        const int64_t tile_cols = one_vector ? std::min<int64_t>(kLanes<T>, width) : width;
        RunTile<T>({std::min<int64_t>(kRows, rows - i), tile_cols, depth,
                    a.data + i / kRows * a.sliver, a.step, tile_b, ldb, c + i * ldc + j, ldc,
                    accumulate});
      }
    }
  }

  // Rows times rows, both contiguous along k and few of one: nothing would be gained by packing.
  bool UseDots() const {
    return std::is_same_v<S, T> && std::is_same_v<Out, T> && m_ <= 4 && k_ >= kLanes<T> &&
           ViewA(0).col == 1 && ViewB(0).row == 1;
  }

  void RunDots() const {
    constexpr int64_t kStrip = 32;
    if constexpr (std::is_same_v<S, T> && std::is_same_v<Out, T>) {
      const int64_t strips = CeilDiv(n_, kStrip);
      const int64_t work = std::max<int64_t>(1, m_ * kStrip * k_);
      ParallelFor(items_ * strips, CeilDiv(kTaskWork, work), [&](int64_t begin, int64_t end) {
        for (int64_t task = begin; task < end; ++task) {
          const int64_t item = task / strips, first = task % strips * kStrip;
          const int64_t last = std::min(n_, first + kStrip);
          for (int64_t j = first; j < last; j += 4) {
            for (int64_t i = 0; i < m_; ++i) DotRow(item, i, j, std::min<int64_t>(4, last - j));
          }
        }
      });
    }
  }

  void DotRow(int64_t item, int64_t i, int64_t j, int64_t cols) const {
    const View<const T> a = ViewA(item), b = ViewB(item);
    T sums[4];
    if (cols == 4) {
      Dots<T, 4>(k_, a.At(i, 0).data, b.At(0, j).data, b.col, sums);
    } else {
      for (int64_t s = 0; s < cols; ++s)
        Dots<T, 1>(k_, a.At(i, 0).data, b.At(0, j + s).data, b.col, sums + s);
    }
    const View<T> c = ViewC(item).At(i, j);
    for (int64_t s = 0; s < cols; ++s) {
      T& to = *c.At(0, s).data;
      to = g_.add != nullptr ? *Added(&to) + sums[s] : sums[s];
    }
  }

  const GemmArgs& g_;
  int64_t m_, n_, k_;
  const int64_t items_;
  bool swap_ = false, direct_b_ = false;
  int64_t rows_ = 0, cols_ = 0;  // Of a task's block of c.
  Tensor packed_, packed_a_;
};

}  // namespace palimpsest::gemm_tile

#endif  // KERNELS_GEMM_BLOCKED_H_
