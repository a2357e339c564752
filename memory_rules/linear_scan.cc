#include "memory_rules/linear_scan.h"

#include <algorithm>
#include <utility>

#include "core/op_scope.h"
#include "core/tape.h"
#include "kernels/linear_chunk.h"
#include "ops/elementwise.h"
#include "ops/layout.h"

namespace palimpsest {
namespace {

bool Same(const Tensor& a, const Tensor& b) { return a && b && a.id() == b.id(); }

bool PerChannel(const LinearUpdate& u) { return u.log_keep && u.log_keep.rank() == u.key.rank(); }

// Of gates and states beside rows of `rows`.
DType NumberOf(DType rows) { return rows == DType::kBf16 ? DType::kF32 : rows; }

// [batch, time(, dim)] -> [batch, time, 1(, dim)]
Tensor OneHead(const Tensor& x) {
  if (!x) return x;
  Shape shape = x.shape();
  shape.insert(shape.begin() + 2, 1);
  return Reshape(x, std::move(shape));
}

LinearUpdate OneHead(const LinearUpdate& u) {
  const Tensor key = OneHead(u.key);
  return {
      .log_keep = OneHead(u.log_keep),
      .log_eta = OneHead(u.log_eta),
      .beta = OneHead(u.beta),
      .erase = {Same(u.erase.rows, u.key) ? key : OneHead(u.erase.rows), OneHead(u.erase.scale)},
      .write = {OneHead(u.write.rows), OneHead(u.write.scale)},
      .key = key};
}

// The operands of the kernel. A tape wants each tensor once, though it may be several of them.
class Operands {
 public:
  Operands(const LinearUpdate& u, const Tensor& q, const State& state, const Tensor& cu_seqlens)
      : starts_(cu_seqlens ? CopyTo(Cast(cu_seqlens, DType::kI64), q.device()) : cu_seqlens),
        all_{q,
             u.key,
             u.write.rows,
             state[0],
             state.size() > 1 ? state[1] : Tensor(),
             u.erase.rows,
             u.erase.scale,
             u.write.scale,
             u.log_keep,
             u.log_eta,
             u.beta} {
    for (const Tensor& x : all_) {
      const auto same = [&](const Tensor& other) { return Same(other, x); };
      place_.push_back(std::find_if(distinct_.begin(), distinct_.end(), same) - distinct_.begin());
      if (x && place_.back() == static_cast<int64_t>(distinct_.size())) distinct_.push_back(x);
    }
  }

  const Tensors& Distinct() const { return distinct_; }
  Operands With(const Tensors& distinct) const {
    Operands other = *this;
    other.distinct_ = distinct;
    for (size_t i = 0; i < all_.size(); ++i) {
      if (all_[i]) other.all_[i] = distinct[place_[i]];
    }
    return other;
  }

  const Tensor& q() const { return all_[kQ]; }
  State state() const {
    return all_[kMomentum] ? State{all_[kState], all_[kMomentum]} : State{all_[kState]};
  }
  LinearUpdate Update() const {
    return {.log_keep = all_[kLogKeep],
            .log_eta = all_[kLogEta],
            .beta = all_[kBeta],
            .erase = {all_[kErase], all_[kEraseScale]},
            .write = {all_[kValue], all_[kWriteScale]},
            .key = all_[kKey]};
  }

  LinearDecay Decay() const {
    if (all_[kLogEta]) return LinearDecay::kMomentum;
    return PerChannel(Update()) ? LinearDecay::kChannels : LinearDecay::kNumber;
  }
  LinearChunkArgs Args(int64_t chunk) const {
    const Tensor &key = all_[kKey], &v = all_[kValue];
    const auto raw = [this](int i) { return all_[i] ? all_[i].raw() : nullptr; };
    return {.dtype = v.dtype(),
            .batch = starts_ ? starts_.size() - 1 : v.dim(0),
            .time = v.dim(1),
            .heads = v.dim(2),
            .key = key.dim(3),
            .value = v.dim(3),
            .chunk = chunk,
            .q = raw(kQ),
            .k = raw(kKey),
            .v = raw(kValue),
            .e = raw(kErase),
            .erase_scale = raw(kEraseScale),
            .write_scale = raw(kWriteScale),
            .decay = Decay(),
            .log_keep = raw(kLogKeep),
            .log_eta = raw(kLogEta),
            .beta = raw(kBeta),
            .state = raw(kState),
            .momentum = raw(kMomentum),
            .starts = starts_ ? starts_.data<int64_t>() : nullptr};
  }

  // The gradients of the distinct tensors.
  Tensors Vjp(int64_t chunk, const Tensor& saved, const Tensors& dys) const {
    const OpScope scope("linear_scan_vjp");
    Tensors made(kCount);
    for (int i = 0; i < kCount; ++i) {
      const bool summed_by_kernel = i == kErase && place_[kErase] == place_[kKey];
      if (all_[i] && !summed_by_kernel)
        made[i] = Tensor::Empty(all_[i].shape(), all_[i].dtype(), q().device());
    }
    const auto to = [&](int i) { return made[i] ? made[i].mutable_raw() : nullptr; };
    const auto from = [&](size_t i) { return i < dys.size() && dys[i] ? dys[i].raw() : nullptr; };
    linear_chunk_vjp(q().device(), Args(chunk),
                     {.saved = saved.raw(),
                      .dy = from(0),
                      .dlast_state = from(1),
                      .dlast_momentum = from(2),
                      .dq = to(kQ),
                      .dk = to(kKey),
                      .dv = to(kValue),
                      .dstate = to(kState),
                      .dmomentum = to(kMomentum),
                      .de = to(kErase),
                      .derase_scale = to(kEraseScale),
                      .dwrite_scale = to(kWriteScale),
                      .dlog_keep = to(kLogKeep),
                      .dlog_eta = to(kLogEta),
                      .dbeta = to(kBeta)});
    Tensors gradients(distinct_.size());
    for (int i = 0; i < kCount; ++i) {
      if (!made[i]) continue;
      Tensor& sum = gradients[place_[i]];
      sum = sum ? Add(sum, made[i]) : made[i];
    }
    return gradients;
  }

 private:
  enum {
    kQ,
    kKey,
    kValue,
    kState,
    kMomentum,
    kErase,
    kEraseScale,
    kWriteScale,
    kLogKeep,
    kLogEta,
    kBeta,
    kCount
  };
  Tensor starts_;  // Of packed sequences.
  Tensors all_, distinct_;
  std::vector<int64_t> place_;  // In distinct_.
};

void CheckShapes(const LinearUpdate& u, const Tensor& q, const State& state,
                 const Tensor& cu_seqlens) {
  const Tensor& v = u.write.rows;
  const int64_t sequences = cu_seqlens ? cu_seqlens.size() - 1 : v.dim(0);
  const Shape gate(v.shape().begin(), v.shape().end() - 1);
  const auto is = [&](const Tensor& x, const Shape& shape, DType dtype) {
    return !x || (x.shape() == shape && x.dtype() == dtype && x.device() == v.device());
  };
  const auto row = [&](const Tensor& x, const Shape& shape) { return is(x, shape, v.dtype()); };
  const auto fits = [&](const Tensor& x, const Shape& shape) {
    return is(x, shape, NumberOf(v.dtype()));
  };
  PALIMPSEST_CHECK(
      v.rank() == 4 && q.rank() == 4 && row(q, u.key.shape()) && row(u.key, q.shape()) &&
      row(u.erase.rows, q.shape()) && fits(u.log_keep, PerChannel(u) ? q.shape() : gate) &&
      fits(u.log_eta, gate) && fits(u.beta, gate) && fits(u.erase.scale, gate) &&
      fits(u.write.scale, gate) && gate == Shape(q.shape().begin(), q.shape().end() - 1) &&
      (!cu_seqlens || (v.dim(0) == 1 && sequences >= 1 && !IsFloat(cu_seqlens.dtype()))) &&
      state.size() == (u.log_eta ? 2 : 1) &&
      std::all_of(state.begin(), state.end(),
                  [&](const Tensor& m) {
                    return fits(m, {sequences * v.dim(2), v.dim(3), q.dim(3)});
                  }))
      << "q " << q << ", k " << u.key << ", v " << v << ", " << state.size()
      << " states, the first " << state[0];
}

}  // namespace

bool LinearScanFuses(const LinearUpdate& u) {
  return linear_chunk.Has(u.key.device()) && linear_chunk_vjp.Has(u.key.device()) && !u.spread &&
         (!u.log_eta || (!PerChannel(u) && u.erasure == Erasure::kWithWrite));
}

ScanResult LinearScan(const LinearUpdate& update, const Tensor& q, const State& state,
                      int64_t chunk, const Tensor& cu_seqlens) {
  const OpScope scope("linear_scan");
  PALIMPSEST_CHECK(LinearScanFuses(update)) << "no kernel for this update on " << q.device();
  if (q.rank() == 3) {
    ScanResult r = LinearScan(OneHead(update), OneHead(q), state, chunk, cu_seqlens);
    r.y = Reshape(r.y, update.write.rows.shape());
    return r;
  }
  CheckShapes(update, q, state, cu_seqlens);
  chunk = std::clamp<int64_t>(chunk, 1, kMaxLinearChunk);
  const Operands operands(update, q, state, cu_seqlens);
  const Tensors& inputs = operands.Distinct();
  const LinearChunkArgs args = operands.Args(chunk);
  Tensors outs = {Tensor::Empty(update.write.rows.shape(), args.dtype, q.device())};
  const DType numbers = NumberOf(args.dtype);
  for (const Tensor& m : state) outs.push_back(Tensor::Empty(m.shape(), numbers, q.device()));
  Tensor saved;
  if (std::any_of(inputs.begin(), inputs.end(), IsTracked)) {
    saved = Tensor::Empty({args.places() * args.heads, args.states() * args.key, args.value},
                          numbers, q.device());
  }
  linear_chunk(q.device(), args,
               {.y = outs[0].mutable_raw(),
                .last_state = outs[1].mutable_raw(),
                .last_momentum = outs.size() > 2 ? outs[2].mutable_raw() : nullptr,
                .saved = saved ? saved.mutable_raw() : nullptr});
  const auto result = [](const Tensors& all) {
    return ScanResult{all[0], State(all.begin() + 1, all.end())};
  };
  if (!saved) return result(outs);
  return result(RecordFused(
      outs, inputs, [=](const Tensors& dys) { return operands.Vjp(chunk, saved, dys); },
      [=](const Tensors& xs) -> Tensors {
        const Operands other = operands.With(xs);
        const ScanResult r =
            ComposedLinearScan(other.Update(), other.q(), other.state(), chunk, cu_seqlens);
        Tensors all = {r.y};
        all.insert(all.end(), r.state.begin(), r.state.end());
        return all;
      }));
}

}  // namespace palimpsest
