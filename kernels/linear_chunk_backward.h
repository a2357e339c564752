#ifndef KERNELS_LINEAR_CHUNK_BACKWARD_H_
#define KERNELS_LINEAR_CHUNK_BACKWARD_H_

#include <vector>

#include "kernels/linear_chunk_forward.h"

namespace palimpsest {

// Yang et al. 2024, "Gated Delta Networks"; with d_ for the cotangents, and dR solved for what W
// gets. A chunk is run again from its saved states, then its tiles are gone through backwards.
template <typename T, typename Decay>
class Backward : Pass<T> {
 public:
  static int64_t ArenaSize(const LinearChunkArgs& a, const TileSizes& n) {
    const int64_t step = Tile<T>::ArenaSize(n) + Decay::ArenaSize(n) + n.height() * n.value;
    return Tiles(a) * step + TileCotangents<T>::ArenaSize(n) + (2 * n.reads + 3 * kTile) * n.value +
           n.reads * n.height();
  }
  Backward(const Unit& unit, const TileSizes& n, int64_t heads, const LinearChunkGradients& grads,
           Arena<T>& arena)
      : Pass<T>(unit, n, heads, arena), grads_(grads), d_(n, arena) {
    for (int64_t i = 0; i < Tiles(args_); ++i) steps_.emplace_back(n, arena);
    drows_ = arena.Take(2 * kTile, n.value);
    drows_transposed_ = arena.Take(n.value, n.reads);
    r_transposed_ = arena.Take(n.value, kTile);
    scratch_ = arena.Take(std::max(n.height(), n.value), n.reads);
  }

  void Run() {
    this->OverHeads(
        [&](Matrix dx) { this->LoadStates(dx, grads_.dlast_state, grads_.dlast_momentum); });
    for (int64_t chunk = args_.chunks() - 1; chunk >= 0; --chunk) {
      this->OverHeads([&](Matrix dx) {
        const int64_t tiles = Again(chunk);
        for (int64_t i = tiles - 1; i >= 0; --i) StepBack(steps_[i], dx);
      });
    }
    this->OverHeads([&](Matrix dx) { this->StoreStates(dx, grads_.dstate, grads_.dmomentum); });
  }

 private:
  using Matrix = tile::Matrix<T>;
  using Pass<T>::unit_, Pass<T>::args_, Pass<T>::sizes_;

  struct Step {
    Step(const TileSizes& n, Arena<T>& arena)
        : tile(n, arena), decay(n, arena), x(arena.Take(n.height(), n.value)) {}
    Tile<T> tile;
    Decay decay;
    Matrix x;  // Before the tile.
  };

  static int64_t Tiles(const LinearChunkArgs& a) { return (a.chunk + kTile - 1) / kTile; }

  // The tiles of a chunk, solved; returns how many.
  int64_t Again(int64_t chunk) {
    this->OverRows([&](int64_t i) {
      std::copy_n(this->Saved(static_cast<const T*>(grads_.saved), chunk, i), unit_.values,
                  steps_[0].x.row(i));
    });
    const int64_t begin = chunk * args_.chunk, end = std::min(begin + args_.chunk, args_.time);
    int64_t i = 0;
    for (int64_t t = begin; t < end; t += kTile, ++i) {
      Step& step = steps_[i];
      step.tile.Load(unit_, t, std::min(kTile, end - t));
      unit_.PrefetchRows(static_cast<const T*>(grads_.dy), t, args_.value);
      step.decay.Enter(unit_, step.tile);
      if (step.tile.erases()) {
        const Matrix readings{scratch_.at, sizes_.value};
        step.tile.Read(readings, step.x, kTile);
        step.tile.Solve(readings);
      }
      if (t + kTile >= end) continue;
      const Matrix next = steps_[i + 1].x;
      std::copy_n(step.x.at, sizes_.height() * sizes_.value, next.at);
      step.decay.Keep(sizes_, next);
      tile::Gemm<true>(next, Transposed(step.tile.k_last), step.tile.r, sizes_.height(),
                       sizes_.value, kTile);
    }
    return i;
  }

  void StepBack(Step& step, Matrix dx) {
    const Tile<T>& tile = step.tile;
    unit_.template PrefetchInputs<T>(tile.begin - args_.chunk);
    for (void* rows : {grads_.dq, grads_.dk, grads_.de})
      unit_.PrefetchRows(static_cast<T*>(rows), tile.begin, args_.key);
    unit_.PrefetchRows(static_cast<T*>(grads_.dv), tile.begin, args_.value);
    Writes(tile, dx);
    tile::Transpose(drows_transposed_, drows_, sizes_.reads, sizes_.value);
    tile::Transpose(r_transposed_, tile.r, kTile, sizes_.value);
    tile::Gemm<false>(d_.table, drows_.left(), r_transposed_, sizes_.reads, kTile, unit_.values);
    Product(d_.reads_start, step.x, drows_transposed_, sizes_.reads);
    Product(d_.k_last, dx, r_transposed_, kTile);
    step.decay.Backward(unit_, grads_, tile, d_, step.x, dx);
    StoreRows(tile);
    step.decay.KeepTransposed(sizes_, dx);
    tile::Gemm<true>(dx, tile.reads_start.transposed(), drows_, sizes_.height(), sizes_.value,
                     sizes_.reads);
  }

  // dY and, under it, dR = (I - L)^{-T} (P^T dY + k_last dX).
  void Writes(const Tile<T>& tile, Matrix dx) {
    if (grads_.dy == nullptr) {
      std::fill_n(drows_.at, kTile * sizes_.value, T(0));
    } else {
      tile.Pack(
          drows_, unit_.values,
          [&](int64_t t) { return unit_.Values(static_cast<const T*>(grads_.dy), tile.begin + t); },
          [](int64_t) { return T(1); });
    }
    const Matrix dr = Tile<T>::Erasures(drows_);
    tile::Gemm<false>(dr, tile.table.transposed(), drows_, kTile, sizes_.value, kTile,
                      tile::Part::kUpperLeft);
    tile::Gemm<true>(dr, tile.k_last, dx, kTile, sizes_.value, sizes_.height());
    if (tile.erases())
      tile::SolveInPlace<true>(dr, Tile<T>::Erasures(tile.table), kTile, sizes_.value);
  }

  // to [n, height] = (x rows)^T, for rows [value, n].
  void Product(Matrix to, Matrix x, Matrix rows, int64_t n) {
    const Matrix transposed{scratch_.at, n};
    tile::Gemm<false>(transposed, x.left(), rows, sizes_.height(), n, unit_.values);
    tile::Transpose(to, transposed, sizes_.height(), n);
  }

  void StoreRows(const Tile<T>& tile) {
    const Matrix dr = Tile<T>::Erasures(drows_), de = Tile<T>::Erasures(d_.reads);
    const auto at = [&](void* base, int64_t t, int64_t dim) {
      return unit_.At(static_cast<T*>(base), tile.begin + t, dim);
    };
    for (int64_t t = 0; t < tile.count; ++t) {
      const int64_t time = tile.begin + t;
      const T write = unit_.Gate(args_.write_scale, time, T(1)),
              erase = -unit_.Gate(args_.erase_scale, time, T(1));
      std::copy_n(d_.reads.row(t), args_.key, at(grads_.dq, t, args_.key));
      tile::ScaleOutput(unit_.Values(static_cast<T*>(grads_.dv), time), write, dr.row(t),
                        unit_.values);
      if (grads_.dwrite_scale != nullptr) {
        *at(grads_.dwrite_scale, t, 1) =
            tile::Dot(dr.row(t), unit_.Values(static_cast<const T*>(args_.v), time), unit_.values);
      }
      if (grads_.derase_scale != nullptr) {
        *at(grads_.derase_scale, t, 1) = -tile::Dot(
            de.row(t), unit_.At(static_cast<const T*>(args_.e), time, args_.key), args_.key);
      }
      if (grads_.de != nullptr) {
        tile::ScaleOutput(at(grads_.de, t, args_.key), erase, de.row(t), args_.key);
      } else if (tile.erases()) {
        tile::AddScaled(d_.k.row(t), erase, de.row(t), args_.key);
      }
      std::copy_n(d_.k.row(t), args_.key, at(grads_.dk, t, args_.key));
    }
  }

  const LinearChunkGradients& grads_;
  TileCotangents<T> d_;
  std::vector<Step> steps_;
  Matrix drows_, drows_transposed_, r_transposed_, scratch_;
};

}  // namespace palimpsest

#endif  // KERNELS_LINEAR_CHUNK_BACKWARD_H_
