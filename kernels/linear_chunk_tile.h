#ifndef KERNELS_LINEAR_CHUNK_TILE_H_
#define KERNELS_LINEAR_CHUNK_TILE_H_

#include <algorithm>
#include <type_traits>

#include "kernels/aligned.h"
#include "kernels/linear_chunk.h"
#include "kernels/small_gemm.h"
#include "kernels/small_rows.h"

namespace palimpsest {

// Tokens taken at once: few, so that what they do to each other costs little beside the state, and
// everything about them stays in the first cache.
inline constexpr int64_t kTile = 16;

template <typename T>
T* Reserve(AlignedArray<T>& memory, int64_t& capacity, int64_t size) {
  if (size > capacity) {
    memory = nullptr;
    memory = AllocateAligned<T>(size);
    capacity = size;
  }
  return memory.get();
}

// Memory of this thread that a kernel lays its tiles in; kept for the next call.
template <typename T>
class Arena {
 public:
  // With `zeros` the matrices begin as zeros, for those whose padding is read.
  Arena(int64_t size, bool zeros) : at_(Memory(size)), end_(at_ + size) {
    if (zeros) std::fill(at_, end_, T(0));
  }

  tile::Matrix<T> Take(int64_t rows, int64_t cols) {
    const tile::Matrix<T> m{at_, cols};
    at_ += rows * cols;
    PALIMPSEST_CHECK(at_ <= end_) << "an arena too small by " << at_ - end_;
    return m;
  }

 private:
  static T* Memory(int64_t size) {
    thread_local AlignedArray<T> memory;
    thread_local int64_t capacity = 0;
    return Reserve(memory, capacity, size);
  }

  T *at_, *end_;
};

// What is worked on: a head of a batch, and some of its value channels.
struct Unit {
  const LinearChunkArgs& args;
  int64_t batch, head;
  int64_t value_begin, values;

  // Where the row (or the gate, for dim 1) of a token is in a tensor.
  template <typename T>
  T* At(T* base, int64_t t, int64_t dim) const {
    return base + ((batch * args.time + t) * args.heads + head) * dim;
  }
  template <typename T>
  T* Values(T* base, int64_t t) const {
    return At(base, t, args.value) + value_begin;
  }
  template <typename T>
  T Gate(const void* base, int64_t t, T otherwise) const {
    return base == nullptr ? otherwise : *At(static_cast<const T*>(base), t, 1);
  }
  int64_t index() const { return batch * args.heads + head; }

  // Asks for rows of the tile at `begin` before they are read, or written: those of a head lie
  // apart, which the machine does not foresee.
  template <typename T>
  void PrefetchRows(T* rows, int64_t begin, int64_t dim) const {
    if (rows == nullptr) return;
    const int64_t end = std::min(begin + kTile, args.time);
    for (int64_t t = std::max<int64_t>(begin, 0); t < end; ++t) {
      T* row = At(rows, t, dim);
      for (int64_t i = 0; i < dim; i += int64_t{64 / sizeof(T)})
        __builtin_prefetch(row + i, std::is_const_v<T> ? 0 : 1);
    }
  }
  template <typename T>
  void PrefetchInputs(int64_t begin) const {
    for (const void* rows : {args.q, args.k, args.e == args.k ? nullptr : args.e})
      PrefetchRows(static_cast<const T*>(rows), begin, args.key);
    PrefetchRows(static_cast<const T*>(args.v), begin, args.value);
  }
};

// Sizes of a tile's matrices, padded to whole vectors.
struct TileSizes {
  int64_t states, key, value;
  int64_t reads;  // Rows that read the state: queries and, after them, erase keys.
  // Rows of the states, one above the other.
  int64_t height() const { return states * key; }
};

// Some tokens as rows. The states, transposed and one above the other, are X [states * key, value].
// A token reads X twice: its query after the write, its erase key before. With the decays of the
// tokens between, which the Decay of the tile gives,
//   reads_start X + table R     are the readings, R the rows r_t,
//   F X + k_last^T R            the states after.
template <typename T>
struct Tile {
  using Matrix = tile::Matrix<T>;

  Tile(const TileSizes& n, Arena<T>& arena)
      : sizes(n),
        reads(arena.Take(n.reads, n.key)),
        reads_start(arena.Take(n.reads, n.height())),
        k(arena.Take(kTile, n.key)),
        k_transposed(arena.Take(n.key, kTile)),
        table(arena.Take(n.reads, kTile)),
        r(arena.Take(kTile, n.value)) {}
  static int64_t ArenaSize(const TileSizes& n) {
    return n.reads * (n.key + n.height() + kTile) + kTile * (2 * n.key + n.value);
  }

  bool erases() const { return sizes.reads > kTile; }
  // Of rows of reads: those of the erase keys.
  static Matrix Erasures(Matrix rows) { return {rows.row(kTile), rows.ld}; }

  // Tokens [begin, begin + count); the rows after them are zeros.
  void Load(const Unit& unit, int64_t from, int64_t n) {
    const LinearChunkArgs& a = unit.args;
    begin = from, count = n;
    const auto one = [](int64_t) { return T(1); };
    const auto rows = [&](const void* x) {
      return [=, this, &unit](int64_t t) {
        return unit.At(static_cast<const T*>(x), begin + t, unit.args.key);
      };
    };
    Pack(reads, a.key, rows(a.q), one);
    Pack(k, a.key, rows(a.k), one);
    if (erases()) {
      Pack(Erasures(reads), a.key, rows(a.e),
           [&](int64_t t) { return -unit.Gate(a.erase_scale, begin + t, T(1)); });
    }
    Pack(
        r, unit.values,
        [&](int64_t t) { return unit.Values(static_cast<const T*>(a.v), begin + t); },
        [&](int64_t t) { return unit.Gate(a.write_scale, begin + t, T(1)); });
    tile::Transpose(k_transposed, k, kTile, sizes.key);
  }

  template <typename Row, typename Scale>
  void Pack(Matrix to, int64_t n, const Row& row, const Scale& scale) const {
    for (int64_t t = 0; t < count; ++t) tile::ScaleInput(to.row(t), scale(t), row(t), n);
    for (int64_t t = count; t < kTile; ++t) std::fill_n(to.row(t), n, T(0));
  }

  // What rows [first, reads) read of the states before the tile: [.., value].
  void Read(Matrix readings, Matrix x, int64_t first) const {
    const Matrix from{reads_start.row(first), reads_start.ld};
    tile::Gemm<false>(readings, from.left(), x, sizes.reads - first, sizes.value, sizes.height());
  }
  // The rows r_t, from what erase keys read: one unit lower triangular system.
  void Solve(Matrix readings) const {
    for (int64_t t = 0; t < kTile; ++t)
      tile::AddScaled(r.row(t), T(1), readings.row(t), sizes.value);
    tile::SolveInPlace<false>(r, Erasures(table), kTile, sizes.value);
  }

  TileSizes sizes;
  int64_t begin = 0, count = 0;
  Matrix reads, reads_start, k, k_transposed, table, r;
  tile::Left<T> k_last = {};  // [tile, height]
};

// The cotangents of a tile's matrices: those of `table`, `reads_start` and `k_last` go into a
// Decay, those of `reads` and `k` come out.
template <typename T>
struct TileCotangents {
  using Matrix = tile::Matrix<T>;

  TileCotangents(const TileSizes& n, Arena<T>& arena)
      : reads(arena.Take(n.reads, n.key)),
        k(arena.Take(kTile, n.key)),
        table(arena.Take(n.reads, kTile)),
        reads_start(arena.Take(n.reads, n.height())),
        k_last(arena.Take(kTile, n.height())) {}
  static int64_t ArenaSize(const TileSizes& n) {
    return (n.reads + kTile) * (n.key + n.height()) + n.reads * kTile;
  }

  Matrix reads, k, table, reads_start, k_last;
};

}  // namespace palimpsest

#endif  // KERNELS_LINEAR_CHUNK_TILE_H_
