#ifndef KERNELS_LINEAR_CHUNK_HEAD_H_
#define KERNELS_LINEAR_CHUNK_HEAD_H_

#include <cmath>
#include <cstring>

#include "hwy/aligned_allocator.h"
#include "kernels/linear_chunk.h"
#include "kernels/small_gemm.h"
#include "kernels/small_rows.h"

namespace palimpsest {

// Memory of this thread that a kernel lays its tiles in; kept for the next call.
template <typename T>
class Arena {
 public:
  explicit Arena(int64_t size) : at_(Reserve(size)), end_(at_ + size) {
    std::fill(at_, end_, T(0));
  }

  tile::Matrix<T> Take(int64_t rows, int64_t cols) {
    const tile::Matrix<T> m{at_, cols};
    at_ += rows * cols;
    PALIMPSEST_CHECK(at_ <= end_) << "an arena too small by " << at_ - end_;
    return m;
  }

 private:
  static T* Reserve(int64_t size) {
    thread_local hwy::AlignedFreeUniquePtr<T[]> memory;
    thread_local int64_t capacity = 0;
    if (size > capacity) {
      memory = nullptr;
      memory = hwy::AllocateAligned<T>(size);
      capacity = size;
    }
    return memory.get();
  }

  T *at_, *end_;
};

// The sizes of a head's tiles, padded.
struct TileSizes {
  int64_t chunk, key, value;
};

// One head at a time, one chunk at a time: packed rows, tables of keep products, and what is
// written. Rows keep the state as s = M^T [key, value]. In the chunk, with ebar_t = - erase_scale_t
// e_t and Gamma(t, j) the product of keep over j < l <= t,
//   R = (I - L)^{-1} (W + diag(start) Ebar s),   L = Gamma(t-1, j) ebar_t . k_j
// are the rows r_t of M_t = keep_t M_{t-1} + r_t k_t^T.
template <typename T>
class Head {
 protected:
  using Matrix = tile::Matrix<T>;

  Head(const LinearChunkArgs& a, Arena<T>& arena)
      : args_(a), pad_{tile::Padded<T>(a.chunk), tile::Padded<T>(a.key), tile::Padded<T>(a.value)} {
    const auto [c, key, value] = pad_;
    for (Matrix* m : {&q_, &k_, &e_, &q_start_, &k_last_, &e_start_}) *m = arena.Take(c, key);
    for (Matrix* m : {&qk_, &ek_, &p_, &l_}) *m = arena.Take(c, c);
    k_transposed_ = arena.Take(key, c);
    keep_ = arena.Take(c + 1, c);
    r_ = arena.Take(c, value);
    s_ = arena.Take(key, value);
    gates_ = arena.Take(2, c + tile::kPad<T>);
  }
  static int64_t ArenaSize(const LinearChunkArgs& a) {
    const int64_t c = tile::Padded<T>(a.chunk), key = tile::Padded<T>(a.key),
                  value = tile::Padded<T>(a.value);
    return c * (7 * key + value) + 5 * c * c + c + key * value + 2 * (c + tile::kPad<T>);
  }

  // Where the row (or the gate, for dim 1) of token t of the chunk is in a tensor.
  template <typename P>
  P* At(P* base, int64_t t, int64_t dim) const {
    return base + ((batch_ * args_.time + begin_ + t) * args_.heads + head_) * dim;
  }
  const T* At(const void* base, int64_t t, int64_t dim) const {
    return At(static_cast<const T*>(base), t, dim);
  }
  T* At(void* base, int64_t t, int64_t dim) const { return At(static_cast<T*>(base), t, dim); }
  T Gate(const void* base, int64_t t, T otherwise) const {
    return base == nullptr ? otherwise : *At(base, t, 1);
  }

  // Products of keep from the chunk's start through token t; 1 for t = -1.
  T& start(int64_t t) const { return gates_.row(0)[t + 1]; }
  T& keep(int64_t t) const { return gates_.row(1)[t]; }
  // Past the last column of row t of a table that is part of a block on the diagonal.
  static int64_t BlockEnd(int64_t t) { return (t / tile::kRows + 1) * tile::kRows; }
  // Row t of Gamma; zeros for t = -1.
  T* gamma(int64_t t) const { return keep_.row(t + 1); }

  void EnterHead(int64_t index) {
    index_ = index, batch_ = index / args_.heads, head_ = index % args_.heads;
  }

  void EnterChunk(int64_t chunk) {
    begin_ = chunk * args_.chunk;
    count_ = std::min(args_.chunk, args_.time - begin_);
    rows_ = tile::Padded<T>(count_);
    Pack(q_, args_.q, args_.key, [](int64_t) { return T(1); });
    Pack(k_, args_.k, args_.key, [](int64_t) { return T(1); });
    if (args_.e != nullptr)
      Pack(e_, args_.e, args_.key, [&](int64_t t) { return -Gate(args_.erase_scale, t, 1); });
    Pack(r_, args_.v, args_.value, [&](int64_t t) { return Gate(args_.write_scale, t, 1); });
    tile::Transpose(k_transposed_, k_, rows_, pad_.key);
    FillKeeps();
    for (int64_t t = 0; t < rows_; ++t) {
      tile::Scale(q_start_.row(t), start(t), q_.row(t), pad_.key);
      tile::Scale(k_last_.row(t), gamma(count_ - 1)[t], k_.row(t), pad_.key);
      if (args_.e != nullptr) tile::Scale(e_start_.row(t), start(t - 1), e_.row(t), pad_.key);
    }
  }

  // Tables of dots, with and without keep, and the rows R, for the state s_ before the chunk.
  void Solve() {
    Table(p_, qk_, q_, 0);
    if (args_.e == nullptr) return;
    Table(l_, ek_, e_, -1);
    tile::Gemm<true>(r_, e_start_.left(), s_, rows_, pad_.value, args_.key);
    tile::SolveInPlace<false>(r_, l_, rows_, pad_.value);
  }

  template <typename F>
  void Pack(Matrix to, const void* from, int64_t dim, F scale) {
    for (int64_t t = 0; t < rows_; ++t) {
      if (t < count_ && from != nullptr) {
        tile::ScaleInput(to.row(t), scale(t), At(from, t, dim), dim);
      } else {
        std::fill_n(to.row(t), dim, T(0));
      }
    }
  }

  // Between s [key, value] and the tensor [batch * heads, value, key].
  void LoadState(Matrix s, const void* from) const {
    const T* m = static_cast<const T*>(from) + index_ * args_.value * args_.key;
    for (int64_t k = 0; k < args_.key; ++k) {
      for (int64_t v = 0; v < args_.value; ++v)
        s.row(k)[v] = from == nullptr ? T(0) : m[v * args_.key + k];
    }
  }
  void StoreState(Matrix s, void* to) const {
    T* m = static_cast<T*>(to) + index_ * args_.value * args_.key;
    for (int64_t v = 0; v < args_.value; ++v) {
      for (int64_t k = 0; k < args_.key; ++k) m[v * args_.key + k] = s.row(k)[v];
    }
  }
  template <typename P>
  P* Saved(P* saved, int64_t chunk) const {
    return saved + (index_ * args_.chunks() + chunk) * args_.key * args_.value;
  }

  const LinearChunkArgs& args_;
  const TileSizes pad_;
  int64_t index_, batch_, head_, begin_;
  int64_t count_, rows_;  // Tokens in the chunk; padded.
  Matrix q_, k_, e_, q_start_, k_last_, e_start_, k_transposed_;
  Matrix keep_, qk_, ek_, p_, l_, r_, s_, gates_;

 private:
  void FillKeeps() {
    start(-1) = 1;
    for (int64_t t = 0; t < rows_; ++t) {
      const T log_keep = t < count_ ? Gate(args_.log_keep, t, 0) : T(0);
      keep(t) = log_keep == 0 ? T(1) : std::exp(log_keep);
      start(t) = keep(t) * start(t - 1);
      tile::Scale(gamma(t), keep(t), gamma(t - 1), pad_.chunk);
      gamma(t)[t] = 1;
    }
  }

  // raw(t, j) = x_t . k_j and masked(t, j) = Gamma(t + shift, j) raw(t, j), to the diagonal's
  // block.
  void Table(Matrix masked, Matrix raw, Matrix x, int64_t shift) {
    tile::Gemm<false>(raw, x.left(), k_transposed_, rows_, pad_.chunk, args_.key,
                      tile::Part::kLowerResult);
    for (int64_t t = 0; t < rows_; ++t) {
      tile::Multiply(masked.row(t), gamma(t + shift), raw.row(t), BlockEnd(t));
    }
  }
};

}  // namespace palimpsest

#endif  // KERNELS_LINEAR_CHUNK_HEAD_H_
