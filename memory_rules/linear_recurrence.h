#ifndef MEMORY_RULES_LINEAR_RECURRENCE_H_
#define MEMORY_RULES_LINEAR_RECURRENCE_H_

#include "core/tensor.h"

namespace palimpsest {

// Rows times a number each, kept apart so that a fused kernel need not read their product from
// memory.
struct ScaledRows {
  Tensor rows;        // [batch, time, dim]
  Tensor scale = {};  // [batch, time]; empty: 1

  Tensor Product() const;
};

// What is erased together with the write: through the momentum (or, without one, at once), or from
// M itself while only the write goes through the momentum.
enum class Erasure { kWithWrite, kPastMomentum };

// The recurrence under every rule, for one matrix M [value, key]:
//   r_t = w_t - M_{t-1} e_t,   S_t = eta_t S_{t-1} + r_t k_t^T,   M_t = M_{t-1} keep_t + beta_t
//   S_t,
// where keep_t is a number or diagonal. Without momentum S_t is r_t k_t^T, and the recurrence is
// closed under adjoints: the cotangent of M follows it backwards in time, with e and k exchanged,
// the cotangent of the reading as w and the query as k.
struct LinearUpdate {
  Tensor log_keep = {};   // [batch, time] or [batch, time, key]; empty: keep is 1
  Tensor log_eta = {};    // [batch, time]; empty: no momentum
  Tensor beta = {};       // [batch, time], only with momentum; empty: 1
  ScaledRows erase = {};  // e, of dim key; no rows: nothing is erased
  Erasure erasure = Erasure::kWithWrite;
  ScaledRows write;  // w, of dim value
  Tensor key;        // k [batch, time, key]
  // [batch, time, rows]: token t writes sum_i spread_ti w_i k_i^T, for as many w and k as there are
  // rows. Only where nothing is erased. Empty: the identity.
  Tensor spread = {};
};

// How much of M_0, S_0, each write w_j k_j^T and each erasure u_j k_j^T is in M_t: products and
// sums of non-negative factors, never a quotient, so they hold for any keep and momentum. With keep
// per channel each entry is a row of numbers, one per key channel.
struct ChunkTables {
  Tensor state;             // [batch, time, 1 or key]
  Tensor momentum;          // The same; empty without.
  Tensor writes, erasures;  // [batch, time, rows(, key)], lower triangular

  // The same of M_{t-1}.
  ChunkTables Before() const;
};

// prod_{j < l <= t} and prod_{l <= t} of exp(log_factor_l), for log_factor [batch, time(, key)].
struct DecayProducts {
  Tensor between;     // [batch, time, time(, key)], 0 for j > t
  Tensor from_start;  // [batch, time, 1 or key]

  explicit DecayProducts(const Tensor& log_factor);
};

// The tables of a chunk; weights that share their gates share them. The batch is 1 where nothing
// decays.
class ChunkDecay {
 public:
  explicit ChunkDecay(const LinearUpdate& update);
  // Of a recurrence that is not this one; without momentum of its own.
  explicit ChunkDecay(ChunkTables after);
  const ChunkTables& after() const { return after_; }
  const ChunkTables& before() const { return before_; }
  // Of S_0 and of the writes in the chunk's last S: [batch, 1, 1], [batch, rows, 1].
  const Tensor& last_momentum() const { return last_momentum_; }
  const Tensor& last_momentum_writes() const { return last_momentum_writes_; }

 private:
  ChunkTables after_, before_;
  Tensor last_momentum_, last_momentum_writes_;
};

// A chunk of the recurrence in matrix products; the matrices of the single steps are never formed.
class LinearChunk {
 public:
  // `m` and `s`: [batch, value, key] before the chunk; s unused without momentum. `update` and
  // `decay` are of the chunk alone and must outlive this.
  LinearChunk(const LinearUpdate& update, const ChunkDecay& decay, Tensor m, Tensor s = {});
  // Row t is M_t x_t, or M_{t-1} x_t.
  Tensor Apply(const Tensor& x) const { return Mix(decay_.after(), x); }
  Tensor ApplyBefore(const Tensor& x) const { return Mix(decay_.before(), x); }
  // Row t is M_t^T x_t. Keep is a number, and nothing is erased past the momentum.
  Tensor ApplyTransposed(const Tensor& x) const { return MixTransposed(decay_.after(), x); }
  Tensor ApplyTransposedBefore(const Tensor& x) const { return MixTransposed(decay_.before(), x); }
  // Every M_t: [batch, time, value, key]. Keep is a number.
  Tensor Matrices() const;
  Tensor Last() const;
  Tensor LastMomentum() const;

 private:
  Tensor OfState(const ChunkTables& tables, const Tensor& x) const;
  Tensor Mix(const ChunkTables& tables, const Tensor& x) const;
  Tensor MixTransposed(const ChunkTables& tables, const Tensor& x) const;

  const LinearUpdate& update_;
  const ChunkDecay& decay_;
  Tensor m_, s_;
  Tensor write_, erased_;  // Rows r_t; and M_{t-1} e_t where that goes past the momentum.
};

// [...] -> [..., 1].
Tensor Column(const Tensor& gate);
// A keep factor to multiply [batch, value, key] with: exp of [batch, 1] or [batch, 1, key].
Tensor KeepFactor(const Tensor& log_keep);

}  // namespace palimpsest

#endif  // MEMORY_RULES_LINEAR_RECURRENCE_H_
