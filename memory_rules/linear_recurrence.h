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

// The recurrence under every rule, for one matrix M [value, key]:
//   M_t = keep_t M_{t-1} - (M_{t-1} e_t) f_t^T + S_t,    S_t = eta_t S_{t-1} + w_t k_t^T.
// Without momentum it is closed under adjoints: the cotangent of M follows it backwards in time,
// with e and f exchanged, the cotangent of the reading as w and the query as k.
struct LinearUpdate {
  Tensor log_keep = {};   // [batch, time]; empty: keep is 1
  Tensor log_eta = {};    // [batch, time]; empty: no momentum, S_t is the write alone
  ScaledRows erase = {};  // e, of dim key; no rows: nothing is erased
  Tensor along = {};      // f [batch, time, key]
  ScaledRows write;       // w, of dim value
  Tensor key;             // k [batch, time, key]
};

// How much of M_0, S_0, each write w_j k_j^T and each erasure u_j f_j^T is in M_t: products and
// sums of non-negative factors, never a quotient, so they hold for any keep and momentum.
struct ChunkTables {
  Tensor state, momentum;   // [batch, time, 1]; momentum empty without
  Tensor writes, erasures;  // [batch, time, time], lower triangular

  // The same of M_{t-1}.
  ChunkTables Before() const;
};

// The tables of a chunk; weights that share their gates share them. The batch is 1 where nothing
// decays.
class ChunkDecay {
 public:
  explicit ChunkDecay(const LinearUpdate& update);
  const ChunkTables& after() const { return after_; }
  const ChunkTables& before() const { return before_; }
  // Of S_0 and of the writes in the chunk's last S: [batch, 1, 1], [batch, time, 1].
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
  Tensor Last() const;
  Tensor LastMomentum() const;

 private:
  Tensor Mix(const ChunkTables& tables, const Tensor& x) const;

  const LinearUpdate& update_;
  const ChunkDecay& decay_;
  Tensor m_, s_;
  Tensor write_, erased_;  // Rows w_t, and u_t = M_{t-1} e_t.
};

// [...] -> [..., 1].
Tensor Column(const Tensor& gate);

}  // namespace palimpsest

#endif  // MEMORY_RULES_LINEAR_RECURRENCE_H_
