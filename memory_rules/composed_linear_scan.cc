#include <algorithm>
#include <utility>

#include "memory_rules/linear_scan.h"
#include "memory_rules/rows.h"
#include "ops/elementwise.h"
#include "ops/layout.h"

namespace palimpsest {
namespace {

bool Same(const Tensor& a, const Tensor& b) { return a && b && a.id() == b.id(); }

// Heads folded into the batch.
LinearUpdate Folded(const LinearUpdate& u) {
  const auto fold = [](const Tensor& x) { return x ? FoldHeads(x) : x; };
  const Tensor key = fold(u.key);
  return {.log_keep = fold(u.log_keep),
          .log_eta = fold(u.log_eta),
          .beta = fold(u.beta),
          .erase = {Same(u.erase.rows, u.key) ? key : fold(u.erase.rows), fold(u.erase.scale)},
          .write = {fold(u.write.rows), fold(u.write.scale)},
          .key = key};
}

// With rows cast; erase keys that are the keys stay so.
LinearUpdate WithRows(LinearUpdate u, DType dtype) {
  const Tensor key = Cast(u.key, dtype);
  if (u.erase.rows) u.erase.rows = Same(u.erase.rows, u.key) ? key : Cast(u.erase.rows, dtype);
  u.write.rows = Cast(u.write.rows, dtype);
  u.key = key;
  return u;
}

// Parts of an update, along time, of so many tokens each.
std::vector<std::pair<LinearUpdate, Tensor>> SplitTime(const LinearUpdate& update, const Tensor& q,
                                                       const std::vector<int64_t>& tokens) {
  const auto split = [&](const Tensor& x) {
    return x ? Split(x, tokens, 1) : Tensors(tokens.size());
  };
  const Tensors queries = split(q), keys = split(update.key), writes = split(update.write.rows),
                write_scales = split(update.write.scale),
                erases = Same(update.erase.rows, update.key) ? keys : split(update.erase.rows),
                erase_scales = split(update.erase.scale), log_keeps = split(update.log_keep),
                log_etas = split(update.log_eta), betas = split(update.beta);
  std::vector<std::pair<LinearUpdate, Tensor>> parts;
  for (size_t i = 0; i < tokens.size(); ++i) {
    parts.push_back({{.log_keep = log_keeps[i],
                      .log_eta = log_etas[i],
                      .beta = betas[i],
                      .erase = {erases[i], erase_scales[i]},
                      .write = {writes[i], write_scales[i]},
                      .key = keys[i]},
                     queries[i]});
  }
  return parts;
}

// Heads folded into the batch, chunk after chunk.
ScanResult ScanRows(const LinearUpdate& update, const Tensor& q, State now, int64_t chunk) {
  std::vector<int64_t> tokens;
  for (int64_t left = q.dim(1); left > 0; left -= tokens.back())
    tokens.push_back(std::min(chunk, left));
  Tensors ys;
  for (const auto& [piece, queries] : SplitTime(update, q, tokens)) {
    const ChunkDecay decay(piece);
    const LinearChunk linear(piece, decay, now[0], now.size() > 1 ? now[1] : Tensor());
    ys.push_back(linear.Apply(queries));
    now[0] = linear.Last();
    if (now.size() > 1) now[1] = linear.LastMomentum();
  }
  return {ys.empty() ? update.write.rows : Concat(ys, 1), now};
}

ScanResult ScanPacked(const LinearUpdate& update, const Tensor& q, const State& state,
                      int64_t chunk, const Tensor& cu_seqlens) {
  const std::vector<double> starts = cu_seqlens.ToVector();
  std::vector<int64_t> tokens;
  for (size_t i = 1; i < starts.size(); ++i)
    tokens.push_back(static_cast<int64_t>(starts[i] - starts[i - 1]));
  const std::vector<int64_t> heads(tokens.size(), q.dim(0));
  std::vector<State> states(tokens.size());
  for (const Tensor& x : state) {
    const Tensors parts = Split(x, heads, 0);
    for (size_t i = 0; i < states.size(); ++i) states[i].push_back(parts[i]);
  }
  Tensors ys;
  std::vector<Tensors> lasts(state.size());
  for (const auto& [one, queries] : SplitTime(update, q, tokens)) {
    const ScanResult r = ScanRows(one, queries, states[ys.size()], chunk);
    ys.push_back(r.y);
    for (size_t s = 0; s < lasts.size(); ++s) lasts[s].push_back(r.state[s]);
  }
  State last;
  for (const Tensors& parts : lasts) last.push_back(Concat(parts, 0));
  return {Concat(ys, 1), last};
}

}  // namespace

ScanResult ComposedLinearScan(const LinearUpdate& update, const Tensor& q, const State& state,
                              int64_t chunk, const Tensor& cu_seqlens) {
  if (q.dtype() == DType::kBf16) {
    ScanResult r = ComposedLinearScan(WithRows(update, DType::kF32), Cast(q, DType::kF32), state,
                                      chunk, cu_seqlens);
    r.y = Cast(r.y, DType::kBf16);
    return r;
  }
  const LinearUpdate rows = Folded(update);
  const Tensor queries = FoldHeads(q);
  ScanResult r = cu_seqlens ? ScanPacked(rows, queries, state, chunk, cu_seqlens)
                            : ScanRows(rows, queries, state, chunk);
  r.y = FromRows(r.y, q.dim(0), q.dim(2));
  return r;
}

}  // namespace palimpsest
