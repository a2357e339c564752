#ifndef KERNELS_LINEAR_CHUNK_DECAY_H_
#define KERNELS_LINEAR_CHUNK_DECAY_H_

#include <cmath>

#include "kernels/linear_chunk_tile.h"

namespace palimpsest {

// How states decay over a tile where keep is a number: without momentum (one state) or with (two;
// Huang et al. 2026, "MDN"). Of the products and sums
//   rho(t, j) = eta_t rho(t-1, j) + [t = j],   gamma(t, j) = keep_t gamma(t-1, j) + beta_t rho(t,
//   j),
// gamma(t, j) is how much of r_j k_j^T is in M_t, and rho how much is in S_t; the columns `of_m`
// and `of_s`, how much of M_0 and S_0. Without momentum rho(t, j) is [t = j] and beta 1. No entry
// is a quotient or a difference, so all keep their digits for any gates.
template <typename T, int kStates>
class NumberDecay {
  using Matrix = tile::Matrix<T>;

 public:
  NumberDecay(const TileSizes& n, Arena<T>& arena)
      : dots_(arena.Take(n.reads, kTile)),
        k_last_(arena.Take(kTile, n.height())),
        gamma_(arena.Take(kTile + 1, kTile)),
        rho_(arena.Take(kTile + 1, kTile)),
        gates_(arena.Take(kGates, kStride)) {}
  static int64_t ArenaSize(const TileSizes& n) {
    return n.reads * kTile + kTile * n.height() + 2 * (kTile + 1) * kTile + kGates * kStride;
  }

  // Fills the tile's table, reads_start and k_last.
  void Enter(const Unit& unit, Tile<T>& tile) {
    FillTables(unit, tile);
    const TileSizes& n = tile.sizes;
    tile::Gemm<false>(dots_, tile.reads.left(), tile.k_transposed, n.reads, kTile, n.key);
    for (int64_t i = 0; i < n.reads; ++i) {
      const int64_t t = TokenOf(i);
      tile::Multiply(tile.table.row(i), Gamma(t), dots_.row(i), kTile);
      for (int s = 0; s < kStates; ++s)
        tile::Scale(tile.reads_start.row(i) + s * n.key, Of(s, t), tile.reads.row(i), n.key);
    }
    for (int64_t j = 0; j < kTile; ++j) {
      for (int s = 0; s < kStates; ++s)
        tile::Scale(k_last_.row(j) + s * n.key, LastWrites(s)[j], tile.k.row(j), n.key);
    }
    tile.k_last = k_last_.left();
  }

  // x = F x
  void Keep(const TileSizes& n, Matrix x) const {
    for (int64_t i = 0; i < n.key; ++i) {
      tile::Scale(x.row(i), Of(0, kLast), x.row(i), n.value);
      if constexpr (kStates == 2) {
        tile::AddScaled(x.row(i), Of(1, kLast), x.row(n.key + i), n.value);
        tile::Scale(x.row(n.key + i), MomentumOf(kLast), x.row(n.key + i), n.value);
      }
    }
  }
  // dx = F^T dx
  void KeepTransposed(const TileSizes& n, Matrix dx) const {
    for (int64_t i = 0; i < n.key; ++i) {
      if constexpr (kStates == 2) {
        tile::Scale(dx.row(n.key + i), MomentumOf(kLast), dx.row(n.key + i), n.value);
        tile::AddScaled(dx.row(n.key + i), Of(1, kLast), dx.row(i), n.value);
      }
      tile::Scale(dx.row(i), Of(0, kLast), dx.row(i), n.value);
    }
  }

  // From the cotangents of what Enter and Keep made, of states x before the tile and dx after.
  void Backward(const Unit& unit, const LinearChunkGradients& to, const Tile<T>& tile,
                TileCotangents<T>& d, Matrix x, Matrix dx) {
    const TileSizes& n = tile.sizes;
    std::fill_n(gates_.row(kDOf0), 2 * kStride, T(0));
    for (int64_t i = 0; i < n.reads; ++i) {
      const int64_t t = TokenOf(i);
      std::fill_n(d.reads.row(i), n.key, T(0));
      for (int s = 0; s < kStates; ++s) {
        const T* dstart = d.reads_start.row(i) + s * n.key;
        DOf(s, t) += tile::Dot(tile.reads.row(i), dstart, n.key);
        tile::AddScaled(d.reads.row(i), Of(s, t), dstart, n.key);
      }
      // Of the dots, into dots_; of gamma, into d.table, where an erase key adds to the token
      // before.
      tile::Exchange(d.table.row(i), dots_.row(i), Gamma(t), kTile);
      if (i > kTile) tile::AddScaled(d.table.row(t), T(1), d.table.row(i), kTile);
    }
    tile::Gemm<true>(d.reads, dots_.left(), tile.k, n.reads, n.key, kTile);
    T drho_last[kTile] = {};
    for (int64_t j = 0; j < kTile; ++j) {
      std::fill_n(d.k.row(j), n.key, T(0));
      for (int s = 0; s < kStates; ++s) {
        const T* dlast = d.k_last.row(j) + s * n.key;
        (s == 0 ? d.table.row(kLast)[j] : drho_last[j]) += tile::Dot(tile.k.row(j), dlast, n.key);
        tile::AddScaled(d.k.row(j), LastWrites(s)[j], dlast, n.key);
      }
    }
    tile::Gemm<true>(d.k, dots_.transposed(), tile.reads, kTile, n.key, n.reads);
    if (kStates == 1 && to.dlog_keep == nullptr) return;
    T dmomentum_of = 0;
    for (int64_t i = 0; i < n.key; ++i) {
      DOf(0, kLast) += tile::Dot(dx.row(i), x.row(i), n.value);
      if constexpr (kStates == 2) {
        DOf(1, kLast) += tile::Dot(dx.row(i), x.row(n.key + i), n.value);
        dmomentum_of += tile::Dot(dx.row(n.key + i), x.row(n.key + i), n.value);
      }
    }
    GateGradients(unit, to, tile, d.table, drho_last, dmomentum_of);
  }

 private:
  static constexpr int64_t kLast = kTile - 1, kStride = 2 * kTile;
  // of_m, of_s and the momentum's own share of S_0 start at t = -1.
  enum { kKeep, kEta, kBeta, kOf0, kOf1, kMomentumOf, kDOf0, kDOf1, kGates };

  // The token whose state a row reads: an erase key the one before.
  static int64_t TokenOf(int64_t row) { return row < kTile ? row : row - kTile - 1; }
  T* Gamma(int64_t t) const { return gamma_.row(t + 1); }
  T* Rho(int64_t t) const { return rho_.row(t + 1); }
  const T* LastWrites(int s) const { return s == 0 ? Gamma(kLast) : Rho(kLast); }
  T& Of(int s, int64_t t) const { return gates_.row(kOf0 + s)[t + 1]; }
  T& DOf(int s, int64_t t) const { return gates_.row(kDOf0 + s)[t + 1]; }
  T& MomentumOf(int64_t t) const { return gates_.row(kMomentumOf)[t + 1]; }
  T& Keep(int64_t t) const { return gates_.row(kKeep)[t]; }
  T& Eta(int64_t t) const { return gates_.row(kEta)[t]; }
  T& Beta(int64_t t) const { return gates_.row(kBeta)[t]; }

  static T Factor(const Unit& unit, const void* log_gate, int64_t t) {
    const T log = unit.Gate(log_gate, t, T(0));
    return log == 0 ? T(1) : std::exp(log);
  }

  // Past the last token nothing decays and nothing is written.
  void FillTables(const Unit& unit, const Tile<T>& tile) {
    const LinearChunkArgs& a = unit.args;
    Of(0, -1) = 1, Of(1, -1) = 0, MomentumOf(-1) = 1;
    for (T* row : {Gamma(-1), Rho(-1)}) std::fill_n(row, kTile, T(0));
    for (int64_t t = 0; t < kTile; ++t) {
      const bool token = t < tile.count;
      const int64_t time = tile.begin + t;
      Keep(t) = token ? Factor(unit, a.log_keep, time) : T(1);
      tile::Scale(Gamma(t), Keep(t), Gamma(t - 1), kTile);
      Of(0, t) = Keep(t) * Of(0, t - 1);
      if constexpr (kStates == 1) {
        Gamma(t)[t] = 1;
      } else {
        Eta(t) = token ? Factor(unit, a.log_eta, time) : T(1);
        Beta(t) = token ? unit.Gate(a.beta, time, T(1)) : T(0);
        tile::Scale(Rho(t), Eta(t), Rho(t - 1), kTile);
        Rho(t)[t] = 1;
        tile::AddScaled(Gamma(t), Beta(t), Rho(t), kTile);
        MomentumOf(t) = Eta(t) * MomentumOf(t - 1);
        Of(1, t) = Keep(t) * Of(1, t - 1) + Beta(t) * MomentumOf(t);
      }
    }
  }

  // Through the recursions, backwards: lambda, pi and kappa are the cotangents of rows of gamma, of
  // rho and of of_m with all that follows from them.
  void GateGradients(const Unit& unit, const LinearChunkGradients& to, const Tile<T>& tile,
                     Matrix dgamma, const T* drho_last, T dmomentum_of) {
    alignas(64) T lambda[kTile] = {}, pi[kTile] = {};
    T kappa = 0, lambda_s = 0, pi_s = 0, next_keep = 0, next_eta = 0;
    const auto store = [&](void* base, int64_t t, T value) {
      if (base != nullptr) *unit.At(static_cast<T*>(base), tile.begin + t, 1) = value;
    };
    for (int64_t t = kLast; t >= 0; --t) {
      kappa = DOf(0, t) + next_keep * kappa;
      T dkeep = kappa * Of(0, t - 1);
      dkeep += tile::DecayAndDot(lambda, next_keep, dgamma.row(t), Gamma(t - 1), kTile);
      if constexpr (kStates == 2) {
        const bool last = t == kLast;
        lambda_s = DOf(1, t) + next_keep * lambda_s;
        dkeep += lambda_s * Of(1, t - 1);
        pi_s = (last ? dmomentum_of : 0) + Beta(t) * lambda_s + next_eta * pi_s;
        T dbeta = lambda_s * MomentumOf(t), deta = pi_s * MomentumOf(t - 1);
        for (int64_t j = 0; j <= t; ++j) {
          pi[j] = (last ? drho_last[j] : 0) + Beta(t) * lambda[j] + next_eta * pi[j];
          dbeta += lambda[j] * Rho(t)[j];
          deta += pi[j] * Rho(t - 1)[j];
        }
        next_eta = Eta(t);
        if (t < tile.count) {
          store(to.dbeta, t, dbeta);
          store(to.dlog_eta, t, next_eta * deta);
        }
      }
      next_keep = Keep(t);
      if (t < tile.count) store(to.dlog_keep, t, next_keep * dkeep);
    }
  }

  Matrix dots_, k_last_, gamma_, rho_, gates_;
};

}  // namespace palimpsest

#endif  // KERNELS_LINEAR_CHUNK_DECAY_H_
