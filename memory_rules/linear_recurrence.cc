#include "memory_rules/linear_recurrence.h"

#include <utility>

#include "core/op_scope.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/linalg.h"
#include "ops/reduce.h"

namespace palimpsest {
namespace {

Tensor Dots(const Tensor& a, const Tensor& b) { return MatMul(a, b, {.b = true}); }

// 1 where column <= row + diagonal.
Tensor Triangle(int64_t n, int64_t diagonal) {
  Tensor mask = Tensor::Empty({n, n}, DType::kI32);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) mask.mutable_data<int32_t>()[i * n + j] = j <= i + diagonal;
  }
  return mask;
}

// prod_{j < l <= t} exp(log_factor_l) for j <= t, else 0: [batch, time, time]. Each exponent is a
// running sum of its own, which a difference of running sums from the chunk's start would round
// away.
Tensor ProductsBetween(const Tensor& log_factor) {
  const int64_t batch = log_factor.dim(0), n = log_factor.dim(1);
  const Tensor zero = Tensor::Full({}, 0.0, log_factor.dtype(), log_factor.device());
  const Tensor terms = Where(Triangle(n, -1), BroadcastTo(Column(log_factor), {batch, n, n}), zero);
  return Where(Triangle(n, 0), Exp(CumSum(terms, 1)), zero);
}

// prod_{l <= t}: [batch, time, 1].
Tensor ProductsFromStart(const Tensor& log_factor) { return Exp(Column(CumSum(log_factor, 1))); }

// Row t becomes row t - 1; the first is `first`.
Tensor Later(const Tensor& x, double first) {
  return Pad(Slice(x, 1, 0, x.dim(1) - 1), 1, 1, 0, first);
}

// The last row of [batch, time, n] as a column [batch, n, 1].
Tensor LastRow(const Tensor& x) {
  return Reshape(Slice(x, 1, x.dim(1) - 1, x.dim(1)), {x.dim(0), x.dim(2), 1});
}

// sum_t c_t a_t b_t^T, for c [batch, time, 1].
Tensor Outer(const Tensor& c, const Tensor& a, const Tensor& b) {
  return MatMul(Mul(c, a), b, {.a = true});
}

}  // namespace

Tensor Column(const Tensor& gate) {
  Shape shape = gate.shape();
  shape.push_back(1);
  return Reshape(gate, std::move(shape));
}

Tensor ScaledRows::Product() const { return scale ? Mul(Column(scale), rows) : rows; }

ChunkTables ChunkTables::Before() const {
  return {Later(state, 1.0), momentum ? Later(momentum, 0.0) : Tensor(), Later(writes, 0.0),
          Later(erasures, 0.0)};
}

ChunkDecay::ChunkDecay(const LinearUpdate& update) {
  const OpScope scope("chunk_decay");
  const Tensor& key = update.key;
  const int64_t batch = update.log_eta ? key.dim(0) : 1;
  const Tensor log_keep = update.log_keep
                              ? update.log_keep
                              : Tensor::Full({batch, key.dim(1)}, 0.0, key.dtype(), key.device());
  const Tensor keep = ProductsBetween(log_keep);
  after_ = {ProductsFromStart(log_keep), {}, keep, keep};
  if (update.log_eta) {
    const Tensor eta = ProductsBetween(update.log_eta),
                 eta_from_start = ProductsFromStart(update.log_eta);
    after_.momentum = MatMul(keep, eta_from_start);
    after_.writes = MatMul(keep, eta);
    last_momentum_ = LastRow(eta_from_start);
    last_momentum_writes_ = LastRow(eta);
  }
  before_ = after_.Before();
}

LinearChunk::LinearChunk(const LinearUpdate& update, const ChunkDecay& decay, Tensor m, Tensor s)
    : update_(update),
      decay_(decay),
      m_(std::move(m)),
      s_(std::move(s)),
      write_(update.write.Product()) {
  const OpScope scope("linear_chunk");
  if (!update_.erase.rows) return;
  // u_t depends on the u before it: one unit lower triangular system.
  const Tensor e = update_.erase.Product();
  const Tensor known = Mix(decay_.before(), e);
  erased_ = TriSolve(Mul(decay_.before().erasures, Dots(e, update_.along)), known);
}

Tensor LinearChunk::Mix(const ChunkTables& t, const Tensor& x) const {
  Tensor y = Add(Mul(t.state, Dots(x, m_)), MatMul(Mul(t.writes, Dots(x, update_.key)), write_));
  if (t.momentum) y = Add(y, Mul(t.momentum, Dots(x, s_)));
  if (erased_) y = Sub(y, MatMul(Mul(t.erasures, Dots(x, update_.along)), erased_));
  return y;
}

Tensor LinearChunk::Last() const {
  const ChunkTables& t = decay_.after();
  Tensor m = Add(Mul(LastRow(t.state), m_), Outer(LastRow(t.writes), write_, update_.key));
  if (t.momentum) m = Add(m, Mul(LastRow(t.momentum), s_));
  if (erased_) m = Sub(m, Outer(LastRow(t.erasures), erased_, update_.along));
  return m;
}

Tensor LinearChunk::LastMomentum() const {
  return Add(Mul(decay_.last_momentum(), s_),
             Outer(decay_.last_momentum_writes(), write_, update_.key));
}

}  // namespace palimpsest
