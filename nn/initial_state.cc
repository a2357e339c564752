#include "nn/initial_state.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

bool AllZero(const Tensor& x) {
  return DispatchFloat(x.dtype(), [&]<typename T>() {
    return std::all_of(x.data<T>(), x.data<T>() + x.size(),
                       [](T v) { return static_cast<double>(v) == 0.0; });
  });
}

}  // namespace

InitialState MakeInitialState(const ParamInit& init, const MemoryRule& rule, const MemoryDims& dims,
                              const ModelConfig::Memory& config) {
  const bool fixed = config.has_learn_initial_state() && !config.learn_initial_state();
  const RandomStream stream = fixed ? RandomStream(0, init.path) : init.Stream();
  InitialState initial{rule.Init(dims, StateDType(init.dtype), stream), {}};
  for (Tensor& w : initial.weights) {
    initial.learnt.push_back(config.has_learn_initial_state() ? config.learn_initial_state()
                                                              : !AllZero(w));
    w = CopyTo(w, init.device);
  }
  return initial;
}

Tensor ForEachSequence(const Tensor& w, int64_t batch) {
  Shape one{1}, spread{batch}, folded{batch * w.dim(0)};
  one.insert(one.end(), w.shape().begin(), w.shape().end());
  spread.insert(spread.end(), w.shape().begin(), w.shape().end());
  folded.insert(folded.end(), w.shape().begin() + 1, w.shape().end());
  return Reshape(BroadcastTo(Reshape(w, one), spread), folded);
}

State InitialState::operator()(int64_t batch) const {
  State state;
  for (const Tensor& w : weights) state.push_back(ForEachSequence(w, batch));
  return state;
}

void InitialState::ForEachParam(const std::string& path, ParamVisitor visit) {
  for (size_t i = 0; i < weights.size(); ++i) {
    if (learnt[i]) visit(absl::StrCat(path, ".", i), weights[i]);
  }
}

}  // namespace palimpsest
