#include "memory_rules/pair_sums.h"

#include <cmath>
#include <utility>

#include "core/op_scope.h"
#include "core/tape.h"
#include "kernels/ema.h"
#include "kernels/gemm.h"
#include "memory_rules/linear_memory.h"
#include "ops/elementwise.h"
#include "ops/linalg.h"

namespace palimpsest {
namespace {

// The coefficients of a pair with these gates. Its key and value only stand for those there are.
struct OnePair {
  Rows rows;
  LinearUpdate update;

  OnePair(const LinearMemory& rule, const Gates& gates, const MemoryDims& dims, DType dtype)
      : rows{.k = Tensor::Full({dims.batch, 1, dims.key}, 1.0, dtype),
             .v = Tensor::Full({dims.batch, 1, dims.value}, 1.0, dtype),
             .gates = gates},
        update(rule.Update(rows, {Tensor::Full({dims.batch, dims.value, dims.key}, 0.0, dtype)})) {}

  bool IsSum() const {
    const auto same = [](const Tensor& a, const Tensor& b) { return a.id() == b.id(); };
    return same(update.key, rows.k) && same(update.write.rows, rows.v) && !update.log_eta &&
           !update.spread && (!update.erase.rows || same(update.erase.rows, rows.k));
  }
};

Gates OfOnePair(const MemoryRule& rule) {
  Gates gates;
  for (const GateSpec& spec : rule.gates()) {
    const bool channels = spec.scope != GateScope::kHead;
    gates[spec.name] = Tensor::Full(channels ? Shape{1, 1, 1} : Shape{1, 1}, 0.5, DType::kF64);
  }
  return gates;
}

// x times a strength [batch, 1], if there is one.
Tensor Scaled(const Tensor& x, const Tensor& scale) { return scale ? Mul(x, Column(scale)) : x; }

double ScaleOf(const Tensor& scale) { return scale ? scale.Item() : 1.0; }

bool MayUseKernels(const Tensor& m, const PairSums& sums, const LinearUpdate& u) {
  if (ComposedScope::Active() || m.dim(0) != 1 || !ema.Has(m.device()) || !gemm.Has(m.device()))
    return false;
  if (m.dtype() != DType::kF32 && m.dtype() != DType::kF64) return false;
  if (u.log_keep && u.log_keep.size() != 1) return false;
  for (const Tensor* x : {&m, &sums.value_key, &sums.key_key, &sums.read_key, &u.log_keep,
                          &u.erase.scale, &u.write.scale}) {
    if (*x && IsTracked(*x)) return false;
  }
  // Kernels take these from the host, which is not to wait for them.
  for (const Tensor* x : {&u.log_keep, &u.erase.scale, &u.write.scale}) {
    if (*x && x->device() != Device::kCpu) return false;
  }
  return true;
}

void Accumulate(const Tensor& m, const Tensor& key_key, Tensor& next) {
  const int64_t rows = m.dim(1), columns = m.dim(2);
  gemm(m.device(), {.m = rows,
                    .n = columns,
                    .k = columns,
                    .a = {m.raw(), columns},
                    .b = {key_key.raw(), columns},
                    .c = {next.mutable_raw(), columns},
                    .add = next.raw(),
                    .dtype = m.dtype(),
                    .out = m.dtype()});
}

// keep M + w V, then minus e M K added by the product itself.
Tensor StepByKernels(const Tensor& m, const PairSums& sums, const LinearUpdate& u) {
  Tensor next = Tensor::Empty(m.shape(), m.dtype(), m.device());
  EmaArgs args{.dtype = m.dtype(),
               .size = m.size(),
               .m = m.raw(),
               .grad = sums.value_key.raw(),
               .m_out = next.mutable_raw(),
               .keep = u.log_keep ? std::exp(u.log_keep.Item()) : 1.0,
               .write = ScaleOf(u.write.scale)};
  ema(m.device(), args);
  if (!u.erase.rows) return next;
  const double erase = ScaleOf(u.erase.scale);
  if (!sums.read_key) {
    Accumulate(m, Mul(sums.key_key, -erase), next);
    return next;
  }
  args.m = next.raw(), args.grad = sums.read_key.raw();
  args.keep = 1.0, args.write = -erase;
  ema(m.device(), args);
  return next;
}

}  // namespace

PairSums SumPairs(const Tensor& k, const Tensor& v) {
  return {.value_key = MatMul(v, k, {.a = true}), .key_key = Gram(k, /*of_columns=*/true)};
}

bool StepsBySums(const MemoryRule& rule) {
  const auto* linear = dynamic_cast<const LinearMemory*>(&rule);
  return linear != nullptr && !linear->momentum() && !linear->transposed() && !linear->anchored() &&
         linear->pairs() == 1 && OnePair(*linear, OfOnePair(rule), {1, 1, 1}, DType::kF64).IsSum();
}

State StepBySums(const MemoryRule& rule, const State& state, const PairSums& sums,
                 const Gates& gates) {
  const OpScope scope("step_by_sums");
  const Tensor& m = state[0];
  const auto* linear = dynamic_cast<const LinearMemory*>(&rule);
  PALIMPSEST_CHECK(linear != nullptr && m.rank() == 3 && sums.value_key.shape() == m.shape())
      << rule.equation() << ": memory " << m << ", sum of pairs " << sums.value_key;
  const OnePair pair(*linear, gates, {m.dim(0), m.dim(2), m.dim(1)}, m.dtype());
  PALIMPSEST_CHECK(pair.IsSum()) << rule.equation() << " needs more of a block than sums";
  const LinearUpdate& u = pair.update;
  if (MayUseKernels(m, sums, u)) return {StepByKernels(m, sums, u)};
  Tensor next = u.log_keep ? Mul(KeepFactor(u.log_keep), m) : m;
  if (u.erase.rows) {
    const Tensor read = sums.read_key ? sums.read_key : MatMul(m, sums.key_key);
    next = Sub(next, Scaled(read, u.erase.scale));
  }
  return {Add(next, Scaled(sums.value_key, u.write.scale))};
}

}  // namespace palimpsest
