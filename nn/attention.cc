#include "nn/attention.h"

#include <algorithm>
#include <utility>

#include "core/op_scope.h"
#include "nn/persistent.h"
#include "ops/ops.h"

namespace palimpsest {

Attention::Attention(const ParamInit& init, const ModelConfig& model,
                     const ModelConfig::Attention& config)
    : config_(config), dtype_(init.dtype) {
  const int64_t width = model.width(), kv_size = config.kv_heads() * config.key_dim();
  q_ = MakeLinear(init.At("q"), width, q_size(), init.stddev);
  k_ = MakeLinear(init.At("k"), width, kv_size, init.stddev);
  v_ = MakeLinear(init.At("v"), width, kv_size, init.stddev);
  o_ = MakeLinear(init.At("o"), q_size(), width, init.residual_stddev);
  q_conv_ = MakeShortConv(init.At("q_conv"), q_size(), config.conv());
  k_conv_ = MakeShortConv(init.At("k_conv"), kv_size, config.conv());
  v_conv_ = MakeShortConv(init.At("v_conv"), kv_size, config.conv());
  if (config.qk_norm()) {
    q_norm_ = MakeNorm(init.At("q_norm"), ModelConfig::RMS, config.key_dim(), model.norm_eps());
    k_norm_ = MakeNorm(init.At("k_norm"), ModelConfig::RMS, config.key_dim(), model.norm_eps());
  }
  persistent_ = MakePersistent(init.At("persistent"), config.persistent(), width);
}

void Attention::ForEachParam(const std::string& path, ParamVisitor visit) {
  q_.ForEachParam(path + ".q", visit);
  k_.ForEachParam(path + ".k", visit);
  v_.ForEachParam(path + ".v", visit);
  q_conv_.ForEachParam(path + ".q_conv", visit);
  k_conv_.ForEachParam(path + ".k_conv", visit);
  v_conv_.ForEachParam(path + ".v_conv", visit);
  q_norm_.ForEachParam(path + ".q_norm", visit);
  k_norm_.ForEachParam(path + ".k_norm", visit);
  o_.ForEachParam(path + ".o", visit);
  if (persistent_) visit(path + ".persistent", persistent_);
}

NamedTensors Attention::InitTails(int64_t batch) const {
  if (config_.conv() == 0) return {};
  return {{"q_conv", q_conv_.InitTail(batch)},
          {"k_conv", k_conv_.InitTail(batch)},
          {"v_conv", v_conv_.InitTail(batch)}};
}

NamedTensors Attention::InitState(int64_t batch) const {
  NamedTensors state = InitTails(batch);
  if (!persistent_) {
    const Shape none{batch, 0, config_.kv_heads(), config_.key_dim()};
    state["k"] = state["v"] = Tensor::Full(none, 0.0, dtype_);
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
  return Placed(Project(q_, q_conv_, q_norm_, "q_conv", config_.heads(), x, tails), position);
}

Tensor Attention::Keys(const Tensor& x, int64_t position, NamedTensors& tails) const {
  return Placed(Project(k_, k_conv_, k_norm_, "k_conv", config_.kv_heads(), x, tails), position);
}

Tensor Attention::Values(const Tensor& x, NamedTensors& tails) const {
  return Project(v_, v_conv_, {}, "v_conv", config_.kv_heads(), x, tails);
}

Tensor Attention::Attend(const Tensor& q, const Tensor& k, const Tensor& v) const {
  return CausalAttention(q, k, v, {.window = config_.window(), .prefix = config_.persistent()});
}

Tensor Attention::Output(const Tensor& y) const {
  return o_(Reshape(y, {y.dim(0), y.dim(1), q_size()}));
}

Tensor Attention::Project(const Linear& linear, const ShortConv& conv, const NormLayer& norm,
                          const char* tail, int64_t heads, const Tensor& x,
                          NamedTensors& tails) const {
  Tensor h = linear(x);
  if (conv.weight) {
    Tensor after = Carried(tails, tail);
    h = conv.Forward(h, after);
    tails[tail] = after;
  }
  h = Reshape(h, {x.dim(0), x.dim(1), heads, config_.key_dim()});
  return norm.weight ? norm(h) : h;
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
