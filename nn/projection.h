#ifndef NN_PROJECTION_H_
#define NN_PROJECTION_H_

#include <cstdint>
#include <string>

#include "nn/mixer.h"

namespace palimpsest {

// silu(conv(W x)), or W x without a convolution: what queries, keys and values are made by.
struct Projection {
  // "q": the parameters are "q.weight" and "q_conv.weight", the convolution's tail is "q_conv".
  std::string name;
  Linear linear;
  ShortConv conv;

  void ForEachParam(const std::string& path, ParamVisitor visit);
  void InitTail(int64_t batch, NamedTensors& state) const;
  // x [batch, time, in] -> [batch, time, out]. Takes the tail of `before` to that after x, in
  // `after`, which may be the same.
  Tensor Forward(const Tensor& x, const NamedTensors& before, NamedTensors& after) const;
  // By heads: [batch, time, heads, out / heads].
  Tensor Heads(int64_t heads, const Tensor& x, const NamedTensors& before,
               NamedTensors& after) const;
};
// `conv` taps; 0: no convolution.
Projection MakeProjection(const ParamInit& init, const std::string& name, int64_t in, int64_t out,
                          int64_t conv);

}  // namespace palimpsest

#endif  // NN_PROJECTION_H_
