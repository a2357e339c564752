#ifndef NN_INITIAL_STATE_H_
#define NN_INITIAL_STATE_H_

#include <string>
#include <vector>

#include "memory_rules/rule.h"
#include "nn/layers.h"

namespace palimpsest {

// [heads, ...] -> [batch heads, ...], the sequences alike.
Tensor ForEachSequence(const Tensor& w, int64_t batch);

// The state in which each sequence finds its memories; the heads start apart, the sequences alike.
// What is learnt are parameters ("initial.0"); what is not is zero, or the same draw for every
// seed, so that no checkpoint need carry it.
struct InitialState {
  Tensors weights;  // [heads, ...]
  std::vector<bool> learnt;

  State operator()(int64_t batch) const;  // [batch heads, ...]
  void ForEachParam(const std::string& path, ParamVisitor visit);
};

// `dims.batch`: heads.
InitialState MakeInitialState(const ParamInit& init, const MemoryRule& rule, const MemoryDims& dims,
                              const ModelConfig::Memory& config);

}  // namespace palimpsest

#endif  // NN_INITIAL_STATE_H_
