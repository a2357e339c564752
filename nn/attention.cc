#include "nn/attention.h"

#include <algorithm>
#include <utility>

#include "core/op_scope.h"
#include "nn/persistent.h"
#include "ops/ops.h"

namespace palimpsest {

Attention::Attention(const ParamInit& init, const ModelConfig& model,
                     const ModelConfig::Attention& config)
    : config_(config), dtype_(init.dtype), device_(init.device) {
  const int64_t width = model.width(), kv_size = config.kv_heads() * config.key_dim();
  q_ = MakeProjection(init, "q", width, q_size(), config.conv());
  k_ = MakeProjection(init, "k", width, kv_size, config.conv());
  v_ = MakeProjection(init, "v", width, kv_size, config.conv());
  o_ = MakeLinear(init.At("o"), q_size(), width, init.residual_stddev);
  if (config.qk_norm()) {
    q_norm_ = MakeNorm(init.At("q_norm"), ModelConfig::RMS, config.key_dim(), model.norm_eps());
    k_norm_ = MakeNorm(init.At("k_norm"), ModelConfig::RMS, config.key_dim(), model.norm_eps());
  }
  persistent_ = MakePersistent(init.At("persistent"), config.persistent(), width);
}

void Attention::ForEachParam(const std::string& path, ParamVisitor visit) {
  for (Projection* projection : {&q_, &k_, &v_}) projection->ForEachParam(path, visit);
  q_norm_.ForEachParam(path + ".q_norm", visit);
  k_norm_.ForEachParam(path + ".k_norm", visit);
  o_.ForEachParam(path + ".o", visit);
  if (persistent_) visit(path + ".persistent", persistent_);
}

NamedTensors Attention::InitTails(int64_t batch) const {
  NamedTensors tails;
  for (const Projection* projection : {&q_, &k_, &v_}) projection->InitTail(batch, tails);
  return tails;
}

NamedTensors Attention::InitState(int64_t batch) const {
  NamedTensors state = InitTails(batch);
  if (!persistent_) {
    const Shape none{batch, 0, config_.kv_heads(), config_.key_dim()};
    state["k"] = state["v"] = Tensor::Full(none, 0.0, dtype_, device_);
    return state;
  }
  const Tensor x = ForBatch(persistent_, batch);
  Queries(x, -config_.persistent(), state);
  const Tensor k = Keys(x, -config_.persistent(), state), v = Values(x, state);
  state["k"] = k;
  state["v"] = v;
  return state;
}

int64_t Attention::CacheBytes(int64_t keys) const {
  return 2 * (config_.persistent() + keys) * config_.kv_heads() * config_.key_dim() *
         static_cast<int64_t>(SizeOf(dtype_));
}

int64_t Attention::StateBytes(int64_t time) const {
  const int64_t seen = config_.window() > 0 ? std::min(time, config_.window() - 1) : time;
  return TotalBytes(InitTails(1)) + CacheBytes(seen);
}

MixerResult Attention::Forward(const MixerInput& in) const {
  const OpScope scope("attention");
  NamedTensors state = in.state;
  const Tensor q = Queries(in.x, in.position, state);
  const Tensor k = AppendInTime(Carried(in.state, "k"), Keys(in.x, in.position, state));
  const Tensor v = AppendInTime(Carried(in.state, "v"), Values(in.x, state));
  state["k"] = Seen(k);
  state["v"] = Seen(v);
  return {Output(Attend(q, k, v)), std::move(state)};
}

Tensor Attention::Queries(const Tensor& x, int64_t position, NamedTensors& tails) const {
  return Placed(Normed(q_norm_, q_.Heads(config_.heads(), x, tails, tails)), position);
}

Tensor Attention::Keys(const Tensor& x, int64_t position, NamedTensors& tails) const {
  return Placed(Normed(k_norm_, k_.Heads(config_.kv_heads(), x, tails, tails)), position);
}

Tensor Attention::Values(const Tensor& x, NamedTensors& tails) const {
  return v_.Heads(config_.kv_heads(), x, tails, tails);
}

Tensor Attention::Attend(const Tensor& q, const Tensor& k, const Tensor& v) const {
  return CausalAttention(q, k, v, {.window = config_.window(), .prefix = config_.persistent()});
}

Tensor Attention::Output(const Tensor& y) const {
  return o_(Reshape(y, {y.dim(0), y.dim(1), q_size()}));
}

Tensor Attention::Normed(const NormLayer& norm, const Tensor& x) const {
  return config_.qk_norm() ? norm(x) : x;
}

// Behind the persistent tokens, the first of which is at 0.
Tensor Attention::Placed(const Tensor& x, int64_t position) const {
  return config_.rope() ? Rope(x, config_.persistent() + position, config_.rope_base()) : x;
}

// What later tokens will see of the cache.
Tensor Attention::Seen(const Tensor& x) const {
  const int64_t prefix = config_.persistent(), keep = config_.window() - 1, end = x.dim(1);
  if (config_.window() == 0 || end - prefix <= keep) return x;
  const Tensor recent = Slice(x, 1, end - keep, end);
  return prefix == 0 ? recent : Concat({Slice(x, 1, 0, prefix), recent}, 1);
}

Tensor AppendInTime(const Tensor& before, const Tensor& x) {
  return before.dim(1) == 0 ? x : Concat({before, x}, 1);
}

}  // namespace palimpsest
