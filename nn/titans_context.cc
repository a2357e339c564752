#include "nn/titans_context.h"

#include <algorithm>
#include <utility>

#include "core/op_scope.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

// a and b by turns along time: a_1 b_1 a_2 b_2 ...
Tensor ByTurns(const Tensor& a, const Tensor& b) {
  const Shape one{a.dim(0), a.dim(1), 1, a.dim(2), a.dim(3)};
  return Reshape(Concat({Reshape(a, one), Reshape(b, one)}, 2),
                 {a.dim(0), 2 * a.dim(1), a.dim(2), a.dim(3)});
}

// b of the above.
Tensor Second(const Tensor& x) {
  const Shape turns{x.dim(0), x.dim(1) / 2, 2, x.dim(2), x.dim(3)};
  return Reshape(Slice(Reshape(x, turns), 2, 1, 2), {x.dim(0), x.dim(1) / 2, x.dim(2), x.dim(3)});
}

}  // namespace

MemoryAsContext::MemoryAsContext(const ParamInit& init, const ModelConfig& model,
                                 const ModelConfig::Titans& config)
    : segment_(config.segment()),
      persistent_(config.attention().persistent()),
      parts_(init, model, config) {}

void MemoryAsContext::ForEachParam(const std::string& path, ParamVisitor visit) {
  parts_.ForEachParam(path, visit);
}

NamedTensors MemoryAsContext::InitState(int64_t batch) const {
  NamedTensors state = parts_.InitState(batch);
  PutUnder("recall", parts_.memory.InitRecallTails(batch), state);
  PutUnder("context", ContextTails(batch), state);
  EndSegment(state);
  return state;
}

// Nothing is asked by h.
NamedTensors MemoryAsContext::ContextTails(int64_t batch) const {
  NamedTensors tails = parts_.attention.InitTails(batch);
  tails.erase("q_conv");
  return tails;
}

int64_t MemoryAsContext::StateBytes(int64_t time) const {
  return parts_.memory.StateBytes(time) + parts_.memory.WeightBytes() +
         TotalBytes(parts_.memory.InitRecallTails(1)) + TotalBytes(parts_.attention.InitTails(1)) +
         TotalBytes(ContextTails(1)) + parts_.attention.CacheBytes(2 * (time % segment_));
}

MixerResult MemoryAsContext::Forward(const MixerInput& in) const {
  const OpScope scope("titans");
  NamedTensors state = in.state;
  const int64_t time = in.x.dim(1);
  Tensors ys;
  for (int64_t begin = 0; begin < time || ys.empty();) {
    const int64_t position = in.position + begin;
    const int64_t end = std::min(time, begin + segment_ - position % segment_);
    const Tensor x = end - begin == time ? in.x : Slice(in.x, 1, begin, end);
    ys.push_back(WithinSegment({x, state, position, in.statistics}, state));
    begin = end;
  }
  return {ys.size() == 1 ? ys[0] : Concat(ys, 1), std::move(state)};
}

Tensor MemoryAsContext::WithinSegment(const MixerInput& in, NamedTensors& state) const {
  NamedTensors recall = Under(state, "recall");
  const Tensor h = parts_.memory.Recall(in.x, Under(state, "segment"), recall);
  PutUnder("recall", std::move(recall), state);
  const Tensor y = AttendToBoth(in.x, h, in.position % segment_, state);
  const Tensor m = parts_.Memorize(y, in, state);
  if ((in.position + in.x.dim(1)) % segment_ == 0) EndSegment(state);
  return parts_.product(y, m);
}

// Token t sees h_1 x_1 ... h_t x_t.
Tensor MemoryAsContext::AttendToBoth(const Tensor& x, const Tensor& h, int64_t position,
                                     NamedTensors& state) const {
  const Attention& attention = parts_.attention;
  NamedTensors own = Under(state, "attention"), context = Under(state, "context");
  const Tensor q = attention.Queries(x, position, own);
  const Tensor k = AppendInTime(Carried(own, "k"), ByTurns(attention.Keys(h, position, context),
                                                           attention.Keys(x, position, own)));
  const Tensor v = AppendInTime(Carried(own, "v"),
                                ByTurns(attention.Values(h, context), attention.Values(x, own)));
  own["k"] = k;
  own["v"] = v;
  PutUnder("attention", std::move(own), state);
  PutUnder("context", std::move(context), state);
  // The attention asks at every key; what h would ask is not wanted.
  return attention.Output(Second(attention.Attend(ByTurns(q, q), k, v)));
}

// The next one begins with the persistent tokens alone, and recalls what is known by now.
void MemoryAsContext::EndSegment(NamedTensors& state) const {
  for (const char* cache : {"attention.k", "attention.v"}) {
    Tensor& x = state.at(cache);
    if (x.dim(1) > persistent_) x = Slice(x, 1, 0, persistent_);
  }
  PutUnder("segment", parts_.memory.Weights(Under(state, "memory")), state);
}

}  // namespace palimpsest
