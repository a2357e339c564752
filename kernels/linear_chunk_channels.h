#ifndef KERNELS_LINEAR_CHUNK_CHANNELS_H_
#define KERNELS_LINEAR_CHUNK_CHANNELS_H_

#include "kernels/linear_chunk_tile.h"
#include "kernels/vector_math.h"

namespace palimpsest {

// How a state decays over a tile where keep is a number per key channel (Kimi Team 2025, "Kimi
// Linear"). Keys are carried along from token to token and decay on the way: products of factors
// only, so any keep is safe.
template <typename T>
class ChannelDecay {
  using Matrix = tile::Matrix<T>;
  using Vec = tile::Vec<T>;

 public:
  ChannelDecay(const TileSizes& n, Arena<T>& arena)
      : keep_(arena.Take(kTile, n.key)),
        start_(arena.Take(kTile + 1, n.key)),
        dlog_keep_(arena.Take(kTile, n.key)) {}
  static int64_t ArenaSize(const TileSizes& n) { return (3 * kTile + 1) * n.key; }

  // Fills the tile's table, reads_start and k_last; k_transposed is consumed.
  void Enter(const Unit& unit, Tile<T>& tile) {
    const TileSizes& n = tile.sizes;
    FillKeeps(unit, tile);
    for (int64_t i = 0; i < n.reads; ++i) {
      tile::Multiply(tile.reads_start.row(i), Start(TokenOf(i)), tile.reads.row(i), n.key);
    }
    for (int64_t t = 0; t < kTile; ++t) {
      if (tile.erases()) {
        Read<true>(tile, t);
      } else {
        Read<false>(tile, t);
      }
    }
    tile.k_last = {tile.k_transposed.at, 1, tile.k_transposed.ld};
  }

  // x = F x
  void Keep(const TileSizes& n, Matrix x) const {
    for (int64_t i = 0; i < n.key; ++i) tile::Scale(x.row(i), Start(kLast)[i], x.row(i), n.value);
  }
  // dx = F^T dx
  void KeepTransposed(const TileSizes& n, Matrix dx) const { Keep(n, dx); }

  // From the cotangents of what Enter and Keep made, of states x before the tile and dx after.
  void Backward(const Unit& unit, const LinearChunkGradients& to, const Tile<T>& tile,
                TileCotangents<T>& d, Matrix x, Matrix dx) {
    const TileSizes& n = tile.sizes;
    T* through = dlog_keep_.row(kLast);  // What the state carries through all of the tile.
    for (int64_t i = 0; i < n.key; ++i)
      through[i] = Start(kLast)[i] * tile::Dot(dx.row(i), x.row(i), n.value);
    for (int64_t i = 0; i < n.key; i += hn::Lanes(kSimd)) {
      Channels channels;
      States(tile, d, channels, i);
      for (int64_t j = 0; j < kTile; ++j) Key(tile, d, channels, i, j);
      for (int64_t t = 0; t < kTile; ++t) {
        hn::Store(channels.dlog_keep[t], kSimd, dlog_keep_.row(t) + i);
        hn::Store(channels.dquery[t], kSimd, d.reads.row(t) + i);
        if (tile.erases()) hn::Store(channels.derase[t], kSimd, d.reads.row(kTile + t) + i);
      }
    }
    if (to.dlog_keep == nullptr) return;
    for (int64_t t = 0; t < tile.count; ++t) {
      std::copy_n(dlog_keep_.row(t), unit.args.key,
                  unit.At(static_cast<T*>(to.dlog_keep), tile.begin + t, unit.args.key));
    }
  }

 private:
  static constexpr int64_t kLast = kTile - 1;
  static constexpr tile::Simd<T> kSimd = {};

  // Cotangents for a vector of channels, of all tokens.
  struct Channels {
    Vec dquery[kTile], derase[kTile], dlog_keep[kTile];
  };

  static int64_t TokenOf(int64_t row) { return row < kTile ? row : row - kTile - 1; }
  // Products of keep from the tile's start through token t.
  T* Start(int64_t t) const { return start_.row(t + 1); }
  static Vec At(Matrix m, int64_t row, int64_t i) { return hn::Load(kSimd, m.row(row) + i); }

  // Past the last token nothing decays.
  void FillKeeps(const Unit& unit, const Tile<T>& tile) {
    const TileSizes& n = tile.sizes;
    std::fill_n(Start(-1), n.key, T(1));
    std::fill_n(keep_.row(0), kTile * n.key, T(1));
    for (int64_t t = 0; t < kTile; ++t) {
      if (t < tile.count && unit.args.log_keep != nullptr) {
        const T* log_keep =
            unit.At(static_cast<const T*>(unit.args.log_keep), tile.begin + t, unit.args.key);
        int64_t i = 0;
        for (; i + kLanes<T> <= unit.args.key; i += kLanes<T>)
          palimpsest::Store(Exp(palimpsest::Load(log_keep + i)), keep_.row(t) + i);
        const int64_t left = unit.args.key - i;
        if (left > 0)
          palimpsest::Store(Exp(palimpsest::Load(log_keep + i, left)), keep_.row(t) + i, left);
      }
      tile::Multiply(Start(t), keep_.row(t), Start(t - 1), n.key);
    }
  }

  // Rows of the table for token t: its erase key reads the keys as they have decayed to the token
  // before, its query as they have decayed to it.
  template <bool kErases>
  void Read(Tile<T>& tile, int64_t t) const {
    const T *query = tile.reads.row(t), *keep = keep_.row(t);
    const T* erase = kErases ? tile.reads.row(kTile + t) : nullptr;
    for (int64_t j = 0; j < kTile; j += hn::Lanes(kSimd)) {
      const auto first = [&](int64_t n) {
        return hn::FirstN(kSimd, std::clamp<int64_t>(n - j, 0, hn::Lanes(kSimd)));
      };
      const auto written = first(t);
      Vec queried[2] = {hn::Zero(kSimd), hn::Zero(kSimd)}, erased[2] = {queried[0], queried[0]};
      for (int64_t i = 0; i < tile.sizes.key; i += 2) {
#pragma GCC unroll 2
        for (int64_t half = 0; half < 2; ++half) {
          T* at = tile.k_transposed.row(i + half) + j;
          const Vec key = hn::Load(kSimd, at);
          const Vec kept =
              hn::IfThenElse(written, hn::Mul(key, hn::Set(kSimd, keep[i + half])), key);
          hn::Store(kept, kSimd, at);
          if constexpr (kErases)
            erased[half] = hn::MulAdd(hn::Set(kSimd, erase[i + half]), key, erased[half]);
          queried[half] = hn::MulAdd(hn::Set(kSimd, query[i + half]), kept, queried[half]);
        }
      }
      const auto store = [&](int64_t row, auto mask, const Vec(&sum)[2]) {
        hn::Store(hn::IfThenElseZero(mask, hn::Add(sum[0], sum[1])), kSimd,
                  tile.table.row(row) + j);
      };
      store(t, first(t + 1), queried);
      if constexpr (kErases) store(kTile + t, written, erased);
    }
  }

  // What reads of the state before the tile give to themselves and to the keeps they came through.
  void States(const Tile<T>& tile, const TileCotangents<T>& d, Channels& c, int64_t i) const {
    Vec through = hn::Load(kSimd, dlog_keep_.row(kLast) + i);
    for (int64_t t = kLast; t >= 0; --t) {
      const auto read = [&](int64_t row) {
        const Vec dread =
            hn::Mul(hn::Load(kSimd, Start(TokenOf(row)) + i), At(d.reads_start, row, i));
        return dread;
      };
      c.dquery[t] = read(t);
      through = hn::MulAdd(At(tile.reads, t, i), c.dquery[t], through);
      c.dlog_keep[t] = through;
      if (!tile.erases()) continue;
      c.derase[t] = read(kTile + t);
      through = hn::MulAdd(At(tile.reads, kTile + t, i), c.derase[t], through);
    }
  }

  // Key j on its way to the end of the tile, and its cotangent on the way back.
  void Key(const Tile<T>& tile, TileCotangents<T>& d, Channels& c, int64_t i, int64_t j) const {
    const auto weight = [&](int64_t row) { return hn::Set(kSimd, d.table.row(row)[j]); };
    Vec key[kTile];
    key[j] = At(tile.k, j, i);
    c.dquery[j] = hn::MulAdd(weight(j), key[j], c.dquery[j]);
    for (int64_t t = j + 1; t < kTile; ++t) {
      if (tile.erases()) c.derase[t] = hn::MulAdd(weight(kTile + t), key[t - 1], c.derase[t]);
      key[t] = hn::Mul(key[t - 1], At(keep_, t, i));
      c.dquery[t] = hn::MulAdd(weight(t), key[t], c.dquery[t]);
    }
    Vec dkey = At(d.k_last, j, i);
    for (int64_t t = kLast; t > j; --t) {
      dkey = hn::MulAdd(weight(t), At(tile.reads, t, i), dkey);
      c.dlog_keep[t] = hn::MulAdd(dkey, key[t], c.dlog_keep[t]);
      dkey = hn::Mul(dkey, At(keep_, t, i));
      if (tile.erases()) dkey = hn::MulAdd(weight(kTile + t), At(tile.reads, kTile + t, i), dkey);
    }
    hn::Store(hn::MulAdd(weight(j), At(tile.reads, j, i), dkey), kSimd, d.k.row(j) + i);
  }

  Matrix keep_, start_, dlog_keep_;
};

}  // namespace palimpsest

#endif  // KERNELS_LINEAR_CHUNK_CHANNELS_H_
