#include "nn/compressor.h"

#include <utility>
#include <vector>

#include "core/op_scope.h"
#include "nn/mixer.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

using ResidualConfig = ModelConfig::Residual;

// [channels, taps], 1 at one tap.
Tensor OneTap(const ParamInit& init, int64_t channels, int64_t taps, int64_t tap) {
  return init.Values({channels, taps}, [&](int64_t i) { return i % taps == tap ? 1.0 : 0.0; });
}

// The tap of a convolution over the channels that stays where it is.
int64_t CentralTap(int64_t channels) { return (channels - 1) / 2; }

// [..., width] to [..., channels, width], all alike.
Tensor Repeat(const Tensor& x, int64_t channels) {
  Shape one = x.shape(), all = x.shape();
  one.insert(one.end() - 1, 1);
  all.insert(all.end() - 1, channels);
  return BroadcastTo(Reshape(x, std::move(one)), all);
}

}  // namespace

Compressor MakeCompressor(const ParamInit& init, int64_t width,
                          const ModelConfig::Residual& config) {
  const int64_t channels = config.channels();
  const double share = 1.0 / static_cast<double>(channels);
  Compressor compressor{config.compressor(), channels, {}, {}, {}};
  switch (config.compressor()) {
    case ResidualConfig::NONE: return compressor;
    case ResidualConfig::TC:
      compressor.conv.weight = OneTap(init, channels * width, config.conv(), config.conv() - 1);
      break;
    case ResidualConfig::CC:
      compressor.weight = init.Constant({channels, width}, share);
      return compressor;
    case ResidualConfig::CC_CONV:
      compressor.weight = init.Values({channels, width}, [&](int64_t i) {
        return i / width == CentralTap(channels) ? 1.0 : 0.0;
      });
      break;
  }
  compressor.read = init.Constant({channels}, share);
  return compressor;
}

void Compressor::InitState(const std::string& path, int64_t batch, NamedTensors& state) const {
  if (conv.weight) state[path + ".conv"] = conv.InitTail(batch);
}

// Per channel and feature. Those of a convolution over the channels and `read` after it:
//   w[c] = sum_j read[j] weight[c - j + central tap]
Tensor Compressor::ChannelWeights(int64_t width) const {
  if (kind == ResidualConfig::TC)
    return BroadcastTo(Reshape(read, {channels, 1}), {channels, width});
  if (kind == ResidualConfig::CC) return weight;
  std::vector<int32_t> from(static_cast<size_t>(channels * channels));
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t tap = 0; tap < channels; ++tap) {
      const int64_t j = c - tap + CentralTap(channels);
      from[static_cast<size_t>(c * channels + tap)] =
          static_cast<int32_t>(j >= 0 && j < channels ? j : channels);
    }
  }
  const Tensor places = Tensor::From<int32_t>({channels, channels}, from);
  return MatMul(Gather(Pad(read, 0, 0, 1), places), weight);
}

Tensor Compressor::Read(const Tensor& stream, const std::string& path, const NamedTensors& before,
                        NamedTensors& after) const {
  if (kind == ResidualConfig::NONE) return stream;
  const OpScope scope("compressor");
  const int64_t batch = stream.dim(0), time = stream.dim(1), width = stream.dim(-1);
  Tensor x = stream;
  if (conv.weight) {
    const std::string name = path + ".conv";
    after[name] = Carried(before, name);
    x = conv.Convolve(Reshape(x, {batch, time, channels * width}), after[name]);
  }
  return ChannelSum(Reshape(x, {batch, time, channels, width}), ChannelWeights(width));
}

void Compressor::ForEachParam(const std::string& path, ParamVisitor visit) {
  conv.ForEachParam(path + ".conv", visit);
  if (weight) visit(path + ".weight", weight);
  if (read) visit(path + ".read", read);
}

Expansion MakeExpansion(const ParamInit& init, int64_t width, const ModelConfig::Residual& config) {
  const int64_t channels = config.channels();
  Expansion expansion{channels, {}};
  if (config.expand())
    expansion.conv.weight = OneTap(init, channels * width, config.conv(), config.conv() - 1);
  return expansion;
}

// The tail is the embeddings', once for all channels.
void Expansion::InitState(const std::string& path, int64_t batch, NamedTensors& state) const {
  if (!conv.weight) return;
  const Tensor& w = conv.weight;
  state[path + ".conv"] =
      Tensor::Full({batch, w.dim(1) - 1, w.dim(0) / channels}, 0.0, w.dtype(), w.device());
}

Tensor Expansion::Expand(const Tensor& x, const std::string& path, const NamedTensors& before,
                         NamedTensors& after) const {
  const auto flat = [&](const Tensor& t) {
    return Reshape(Repeat(t, channels), {t.dim(0), t.dim(1), channels * t.dim(2)});
  };
  const bool one = channels == 1;
  if (!conv.weight) return one ? x : Repeat(x, channels);
  const OpScope scope("expansion");
  const std::string name = path + ".conv";
  Tensor tail = flat(Carried(before, name));
  after[name] = TailAfter(Carried(before, name), x);
  const Tensor y = conv.Convolve(flat(x), tail);
  return one ? y : Reshape(y, {x.dim(0), x.dim(1), channels, x.dim(2)});
}

void Expansion::ForEachParam(const std::string& path, ParamVisitor visit) {
  conv.ForEachParam(path + ".conv", visit);
}

}  // namespace palimpsest
