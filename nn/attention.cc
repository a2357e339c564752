#include "nn/attention.h"

#include <algorithm>
#include <utility>

#include "core/op_scope.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

class Attention : public Mixer {
 public:
  Attention(const ParamInit& init, const ModelConfig& model, const ModelConfig::Attention& config)
      : config_(config), width_(model.width()), dtype_(init.dtype) {
    const int64_t q_size = config.heads() * config.key_dim(),
                  kv_size = config.kv_heads() * config.key_dim();
    q_ = MakeLinear(init.At("q"), width_, q_size, init.stddev);
    k_ = MakeLinear(init.At("k"), width_, kv_size, init.stddev);
    v_ = MakeLinear(init.At("v"), width_, kv_size, init.stddev);
    o_ = MakeLinear(init.At("o"), q_size, width_, init.residual_stddev);
    q_conv_ = MakeShortConv(init.At("q_conv"), q_size, config.conv());
    k_conv_ = MakeShortConv(init.At("k_conv"), kv_size, config.conv());
    v_conv_ = MakeShortConv(init.At("v_conv"), kv_size, config.conv());
    if (config.qk_norm()) {
      q_norm_ = MakeNorm(init.At("q_norm"), ModelConfig::RMS, config.key_dim(), model.norm_eps());
      k_norm_ = MakeNorm(init.At("k_norm"), ModelConfig::RMS, config.key_dim(), model.norm_eps());
    }
  }

  void ForEachParam(const std::string& path, ParamVisitor visit) override {
    q_.ForEachParam(path + ".q", visit);
    k_.ForEachParam(path + ".k", visit);
    v_.ForEachParam(path + ".v", visit);
    q_conv_.ForEachParam(path + ".q_conv", visit);
    k_conv_.ForEachParam(path + ".k_conv", visit);
    v_conv_.ForEachParam(path + ".v_conv", visit);
    q_norm_.ForEachParam(path + ".q_norm", visit);
    k_norm_.ForEachParam(path + ".k_norm", visit);
    o_.ForEachParam(path + ".o", visit);
  }

  NamedTensors InitState(int64_t batch) const override {
    NamedTensors state = InitTails(batch);
    const Tensor none =
        Tensor::Full({batch, 0, config_.kv_heads(), config_.key_dim()}, 0.0, dtype_);
    state["k"] = state["v"] = none;
    return state;
  }

  int64_t StateBytes(int64_t time) const override {
    const int64_t seen = config_.window() > 0 ? std::min(time, config_.window() - 1) : time;
    const int64_t per_token =
        2 * config_.kv_heads() * config_.key_dim() * static_cast<int64_t>(SizeOf(dtype_));
    return TotalBytes(InitTails(1)) + seen * per_token;
  }

  MixerResult Forward(const MixerInput& in) const override {
    const OpScope scope("attention");
    const Tensor& x = in.x;
    const NamedTensors& before = in.state;
    NamedTensors state;
    Tensor q = Project(q_, q_conv_, q_norm_, "q_conv", config_.heads(), x, before, state);
    Tensor k = Project(k_, k_conv_, k_norm_, "k_conv", config_.kv_heads(), x, before, state);
    Tensor v = Project(v_, v_conv_, {}, "v_conv", config_.kv_heads(), x, before, state);
    if (config_.rope()) {
      q = Rope(q, in.position, config_.rope_base());
      k = Rope(k, in.position, config_.rope_base());
    }
    k = Append(Carried(before, "k"), k);
    v = Append(Carried(before, "v"), v);
    const Tensor y = CausalAttention(q, k, v, {.window = config_.window()});
    state["k"] = Seen(k);
    state["v"] = Seen(v);
    return {o_(Reshape(y, {x.dim(0), x.dim(1), q_size()})), std::move(state)};
  }

 private:
  int64_t q_size() const { return config_.heads() * config_.key_dim(); }
  NamedTensors InitTails(int64_t batch) const {
    if (config_.conv() == 0) return {};
    return {{"q_conv", q_conv_.InitTail(batch)},
            {"k_conv", k_conv_.InitTail(batch)},
            {"v_conv", v_conv_.InitTail(batch)}};
  }

  Tensor Project(const Linear& linear, const ShortConv& conv, const NormLayer& norm,
                 const char* tail, int64_t heads, const Tensor& x, const NamedTensors& before,
                 NamedTensors& state) const {
    Tensor h = linear(x);
    if (conv.weight) h = conv.Forward(h, state[tail] = Carried(before, tail));
    h = Reshape(h, {x.dim(0), x.dim(1), heads, config_.key_dim()});
    return norm.weight ? norm(h) : h;
  }

  static Tensor Append(const Tensor& cache, const Tensor& x) {
    return cache.dim(1) == 0 ? x : Concat({cache, x}, 1);
  }

  // What later tokens will see of the cache.
  Tensor Seen(const Tensor& x) const {
    const int64_t keep = config_.window() - 1;
    return config_.window() > 0 && x.dim(1) > keep ? Slice(x, 1, x.dim(1) - keep, x.dim(1)) : x;
  }

  ModelConfig::Attention config_;
  int64_t width_;
  DType dtype_;
  Linear q_, k_, v_, o_;
  ShortConv q_conv_, k_conv_, v_conv_;
  NormLayer q_norm_, k_norm_;
};

}  // namespace

std::unique_ptr<Mixer> MakeAttention(const ParamInit& init, const ModelConfig& model,
                                     const ModelConfig::Attention& config) {
  return std::make_unique<Attention>(init, model, config);
}

}  // namespace palimpsest
