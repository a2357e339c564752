#ifndef KERNELS_LINEAR_CHUNK_FORWARD_H_
#define KERNELS_LINEAR_CHUNK_FORWARD_H_

#include <vector>

#include "kernels/linear_chunk_tile.h"

namespace palimpsest {

// A pass over the tokens of some heads side by side, chunk by chunk, each head with its own states:
// rows of neighbouring heads share pages.
template <typename T>
class Pass {
 protected:
  using Matrix = tile::Matrix<T>;

  Pass(const Unit& unit, const TileSizes& sizes, int64_t heads, Arena<T>& arena)
      : args_(unit.args), sizes_(sizes), first_(unit.head), unit_(unit) {
    for (int64_t i = 0; i < heads; ++i) states_.push_back(arena.Take(sizes.height(), sizes.value));
  }
  template <typename F>
  void OverHeads(F f) {
    for (size_t i = 0; i < states_.size(); ++i) {
      unit_.head = first_ + static_cast<int64_t>(i);
      f(states_[i]);
    }
  }

  // Between X and the tensors [batch * heads, value, key].
  void LoadStates(Matrix x, const void* state, const void* momentum) const {
    for (int64_t s = 0; s < sizes_.states; ++s) {
      const Matrix part{x.row(s * sizes_.key), x.ld};
      if (const T* m = StateAt(static_cast<const T*>(s == 0 ? state : momentum)); m != nullptr) {
        tile::Transpose(part, tile::Matrix<const T>{m, args_.key}, unit_.values, args_.key);
      } else {
        for (int64_t k = 0; k < args_.key; ++k) std::fill_n(part.row(k), unit_.values, T(0));
      }
    }
  }
  void StoreStates(Matrix x, void* state, void* momentum) const {
    for (int64_t s = 0; s < sizes_.states; ++s) {
      T* m = StateAt(static_cast<T*>(s == 0 ? state : momentum));
      tile::Transpose(Matrix{m, args_.key}, Matrix{x.row(s * sizes_.key), x.ld}, args_.key,
                      unit_.values);
    }
  }
  // Row i of X before a chunk.
  template <typename P>
  P* Saved(P* saved, int64_t chunk, int64_t i) const {
    const int64_t rows = args_.states() * args_.key, state = i / sizes_.key, key = i % sizes_.key;
    const int64_t row = (unit_.index() * args_.chunks() + chunk) * rows + state * args_.key + key;
    return saved + row * args_.value + unit_.value_begin;
  }
  // Calls f(i) for the rows of X that are not padding.
  template <typename F>
  void OverRows(F f) const {
    for (int64_t s = 0; s < sizes_.states; ++s) {
      for (int64_t k = 0; k < args_.key; ++k) f(s * sizes_.key + k);
    }
  }

  const LinearChunkArgs& args_;
  const TileSizes& sizes_;
  const int64_t first_;
  Unit unit_;  // Of the head that it is the turn of.
  std::vector<Matrix> states_;

 private:
  template <typename P>
  P* StateAt(P* states) const {
    if (states == nullptr) return nullptr;
    return states + (unit_.index() * args_.value + unit_.value_begin) * args_.key;
  }
};

template <typename T, typename Decay>
class Forward : Pass<T> {
 public:
  static int64_t ArenaSize(const LinearChunkArgs&, const TileSizes& n) {
    return Tile<T>::ArenaSize(n) + Decay::ArenaSize(n) + n.reads * n.value;
  }
  Forward(const Unit& unit, const TileSizes& sizes, int64_t heads, const LinearChunkOutputs& out,
          Arena<T>& arena)
      : Pass<T>(unit, sizes, heads, arena),
        out_(out),
        tile_(sizes, arena),
        decay_(sizes, arena),
        readings_(arena.Take(sizes.reads, sizes.value)) {}

  void Run() {
    this->OverHeads([&](Matrix x) { this->LoadStates(x, args_.state, args_.momentum); });
    for (int64_t chunk = 0; chunk < args_.chunks(); ++chunk) {
      this->OverHeads([&](Matrix x) { Chunk(chunk, x); });
    }
    this->OverHeads([&](Matrix x) { this->StoreStates(x, out_.last_state, out_.last_momentum); });
  }

 private:
  using Matrix = tile::Matrix<T>;
  using Pass<T>::unit_, Pass<T>::args_, Pass<T>::sizes_;

  void Chunk(int64_t chunk, Matrix x) {
    if (out_.saved != nullptr) {
      this->OverRows([&](int64_t i) {
        std::copy_n(x.row(i), unit_.values, this->Saved(static_cast<T*>(out_.saved), chunk, i));
      });
    }
    const int64_t end = std::min((chunk + 1) * args_.chunk, args_.time);
    for (int64_t t = chunk * args_.chunk; t < end; t += kTile) Step(t, std::min(kTile, end - t), x);
  }

  void Step(int64_t begin, int64_t count, Matrix x) {
    tile_.Load(unit_, begin, count);
    unit_.template PrefetchInputs<T>(begin + kTile);
    unit_.PrefetchRows(static_cast<T*>(out_.y), begin, args_.value);
    decay_.Enter(unit_, tile_);
    tile_.Read(readings_, x, 0);
    if (tile_.erases()) tile_.Solve(Tile<T>::Erasures(readings_));
    tile::Gemm<true>(readings_, tile_.table.left(), tile_.r, kTile, sizes_.value, kTile,
                     tile::Part::kLowerLeft);
    for (int64_t t = 0; t < count; ++t)
      std::copy_n(readings_.row(t), unit_.values, unit_.Values(static_cast<T*>(out_.y), begin + t));
    decay_.Keep(sizes_, x);
    tile::Gemm<true>(x, Transposed(tile_.k_last), tile_.r, sizes_.height(), sizes_.value, kTile);
  }

  const LinearChunkOutputs& out_;
  Tile<T> tile_;
  Decay decay_;
  Matrix readings_;
};

}  // namespace palimpsest

#endif  // KERNELS_LINEAR_CHUNK_FORWARD_H_
