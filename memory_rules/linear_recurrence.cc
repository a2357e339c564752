#include "memory_rules/linear_recurrence.h"

#include <utility>

#include "core/op_scope.h"
#include "ops/broadcast.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/linalg.h"
#include "ops/mask.h"
#include "ops/reduce.h"

namespace palimpsest {
namespace {

Tensor Dots(const Tensor& a, const Tensor& b) { return MatMul(a, b, {.b = true}); }

// Row t, column j: sum_d table_tj(d) x_td y_jd.
Tensor DecayedDots(const Tensor& table, const Tensor& x, const Tensor& y) {
  if (table.rank() == 3) return Mul(table, Dots(x, y));
  const Tensor pairs = Mul(Reshape(x, {x.dim(0), x.dim(1), 1, x.dim(2)}),
                           Reshape(y, {y.dim(0), 1, y.dim(1), y.dim(2)}));
  return Sum(Mul(table, pairs), {3});
}

// Row t becomes row t - 1; the first is `first`.
Tensor Later(const Tensor& x, double first) {
  return Pad(Slice(x, 1, 0, x.dim(1) - 1), 1, 1, 0, first);
}

Tensor LastRow(const Tensor& x) { return Slice(x, 1, x.dim(1) - 1, x.dim(1)); }

// The last row of a table: [batch, rows, 1 or key].
Tensor LastWrites(const Tensor& table) {
  return Reshape(LastRow(table),
                 {table.dim(0), table.dim(2), table.rank() == 4 ? table.dim(3) : 1});
}

// keep_ts eta_sj over s: [batch, time, time(, key)].
Tensor Chained(const Tensor& keep, const Tensor& eta) {
  if (keep.rank() == 3) return MatMul(keep, eta);
  const int64_t batch = keep.dim(0), time = keep.dim(1), key = keep.dim(3);
  const Tensor rows = Reshape(Permute(keep, {0, 1, 3, 2}), {batch, time * key, time});
  return Permute(Reshape(MatMul(rows, eta), {batch, time, key, eta.dim(2)}), {0, 1, 3, 2});
}

}  // namespace

Tensor Column(const Tensor& gate) {
  Shape shape = gate.shape();
  shape.push_back(1);
  return Reshape(gate, std::move(shape));
}

Tensor KeepFactor(const Tensor& log_keep) {
  return Exp(log_keep.rank() == 2 ? Column(log_keep) : log_keep);
}

Tensor ScaledRows::Product() const { return scale ? Mul(Column(scale), rows) : rows; }

ChunkTables ChunkTables::Before() const {
  return {Later(state, 1.0), momentum ? Later(momentum, 0.0) : Tensor(), Later(writes, 0.0),
          Later(erasures, 0.0)};
}

// Each exponent is a running sum of its own, which a difference of running sums from the chunk's
// start would round away.
DecayProducts::DecayProducts(const Tensor& log_factor) {
  const bool per_channel = log_factor.rank() == 3;
  const int64_t batch = log_factor.dim(0), n = log_factor.dim(1);
  const Tensor zero = Tensor::Full({}, 0.0, log_factor.dtype(), log_factor.device());
  const Shape square = per_channel ? Shape{batch, n, n, log_factor.dim(2)} : Shape{batch, n, n};
  const auto triangle = [&](int64_t diagonal) {
    const Tensor mask = BandMask(n, n, -n, diagonal, log_factor.device());
    return per_channel ? Reshape(mask, {n, n, 1}) : mask;
  };
  const Tensor factors =
      per_channel ? Reshape(log_factor, {batch, n, 1, log_factor.dim(2)}) : Column(log_factor);
  const Tensor terms = Where(triangle(-1), BroadcastTo(factors, square), zero);
  between = Where(triangle(0), Exp(CumSum(terms, 1)), zero);
  from_start = Exp(CumSum(per_channel ? log_factor : Column(log_factor), 1));
}

ChunkDecay::ChunkDecay(const LinearUpdate& update) {
  const OpScope scope("chunk_decay");
  const Tensor& key = update.key;
  const Tensor& tokens = update.spread ? update.spread : key;  // The extent of time.
  const int64_t batch = update.log_eta || update.spread ? key.dim(0) : 1;
  const Tensor log_keep =
      update.log_keep ? update.log_keep
                      : Tensor::Full({batch, tokens.dim(1)}, 0.0, key.dtype(), key.device());
  const DecayProducts keep(log_keep);
  after_ = {keep.from_start, {}, keep.between, keep.between};
  if (update.log_eta) {
    const DecayProducts eta(update.log_eta);
    const auto strengthened = [&](const Tensor& x) {
      return update.beta ? Mul(Column(update.beta), x) : x;
    };
    after_.momentum = Chained(keep.between, strengthened(eta.from_start));
    if (log_keep.rank() == 3) {
      after_.momentum = Reshape(after_.momentum, {key.dim(0), tokens.dim(1), key.dim(2)});
    }
    after_.writes = Chained(keep.between, strengthened(eta.between));
    last_momentum_ = LastRow(eta.from_start);
    last_momentum_writes_ = LastWrites(eta.between);
  }
  if (update.spread) {
    PALIMPSEST_CHECK(!update.erase.rows && log_keep.rank() == 2)
        << "spread " << update.spread << " with an erasure, or with keep " << log_keep;
    after_.writes = MatMul(after_.writes, update.spread);
    if (update.log_eta)
      last_momentum_writes_ = MatMul(update.spread, last_momentum_writes_, {.a = true});
  }
  if (update.erasure == Erasure::kWithWrite) after_.erasures = after_.writes;
  before_ = after_.Before();
}

ChunkDecay::ChunkDecay(ChunkTables after) : after_(std::move(after)), before_(after_.Before()) {}

LinearChunk::LinearChunk(const LinearUpdate& update, const ChunkDecay& decay, Tensor m, Tensor s)
    : update_(update),
      decay_(decay),
      m_(std::move(m)),
      s_(std::move(s)),
      write_(update.write.Product()) {
  const OpScope scope("linear_chunk");
  if (!update_.erase.rows) return;
  // Row t depends on those before it: one unit lower triangular system.
  const Tensor e = update_.erase.Product();
  const ChunkTables& before = decay_.before();
  const Tensor dots = DecayedDots(before.erasures, e, update_.key);
  if (update_.erasure == Erasure::kWithWrite) {
    write_ = TriSolve(dots, Sub(write_, OfState(before, e)));
  } else {
    erased_ = TriSolve(dots, Mix(before, e));
  }
}

Tensor LinearChunk::OfState(const ChunkTables& t, const Tensor& x) const {
  const Tensor y = Dots(Mul(t.state, x), m_);
  return t.momentum ? Add(y, Dots(Mul(t.momentum, x), s_)) : y;
}

Tensor LinearChunk::Mix(const ChunkTables& t, const Tensor& x) const {
  const Tensor y = Add(OfState(t, x), MatMul(DecayedDots(t.writes, x, update_.key), write_));
  return erased_ ? Sub(y, MatMul(DecayedDots(t.erasures, x, update_.key), erased_)) : y;
}

Tensor LinearChunk::MixTransposed(const ChunkTables& t, const Tensor& x) const {
  PALIMPSEST_CHECK(t.writes.rank() == 3 && !erased_)
      << "keep per channel, or an erasure past the momentum";
  Tensor y = Mul(t.state, MatMul(x, m_));
  if (t.momentum) y = Add(y, Mul(t.momentum, MatMul(x, s_)));
  return Add(y, MatMul(Mul(t.writes, Dots(x, write_)), update_.key));
}

Tensor LinearChunk::Matrices() const {
  const ChunkTables& t = decay_.after();
  PALIMPSEST_CHECK(t.writes.rank() == 3) << "keep per channel";
  const int64_t batch = m_.dim(0), value = m_.dim(1), key = m_.dim(2);
  const auto flat = [&](const Tensor& m) { return Reshape(m, {batch, 1, value * key}); };
  const auto sum = [&](const Tensor& table, const Tensor& rows) {
    const int64_t n = rows.dim(1);
    const Tensor products =
        Mul(Reshape(rows, {batch, n, value, 1}), Reshape(update_.key, {batch, n, 1, key}));
    const Tensor each = BroadcastTo(table, {batch, table.dim(1), n});
    return MatMul(each, Reshape(products, {batch, n, value * key}));
  };
  Tensor all = Add(Mul(t.state, flat(m_)), sum(t.writes, write_));
  if (t.momentum) all = Add(all, Mul(t.momentum, flat(s_)));
  if (erased_) all = Sub(all, sum(t.erasures, erased_));
  return Reshape(all, {batch, all.dim(1), value, key});
}

Tensor LinearChunk::Last() const {
  const ChunkTables& t = decay_.after();
  const auto outer = [&](const Tensor& rows, const Tensor& table) {
    return MatMul(rows, Mul(LastWrites(table), update_.key), {.a = true});
  };
  Tensor m = Add(Mul(LastRow(t.state), m_), outer(write_, t.writes));
  if (t.momentum) m = Add(m, Mul(LastRow(t.momentum), s_));
  return erased_ ? Sub(m, outer(erased_, t.erasures)) : m;
}

Tensor LinearChunk::LastMomentum() const {
  return Add(Mul(decay_.last_momentum(), s_),
             MatMul(Mul(decay_.last_momentum_writes(), write_), update_.key, {.a = true}));
}

}  // namespace palimpsest
