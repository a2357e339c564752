#ifndef OPTIM_LEVEL_H_
#define OPTIM_LEVEL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "memory_rules/rule.h"

namespace palimpsest {

// The continuous hyper-parameters of a step by name: f64 scalars, which a tape may watch.
using Hypers = NamedTensors;

// What a level learns from at one step.
struct Signal {
  Tensor gradient;  // Of one parameter; of a later level, what the level before read out.
};

// What a level's parts may depend on besides the signal.
struct LevelStep {
  int64_t writes;  // To the memory, the one of this step included; at least 1.
  const Hypers& hypers;
};

// One level of an optimizer: a memory of gradients, scanned over optimizer steps. What it reads out
// is the gradient that the next level sees. Pure: a tape can differentiate through any number of
// steps.
struct Level {
  std::string slot;  // Names its state.
  std::shared_ptr<const MemoryRule> memory;
  std::function<MemoryDims(const Shape& param)> dims;
  // A gradient as what is written, what is asked, and what of the answer becomes of it.
  std::function<Block(const Signal&, const LevelStep&)> encode;
  std::function<Tensor(const Signal&)> query;
  std::function<Tensor(const Tensor& read, const Signal&, const LevelStep&)> output;
  // Read as if the same block were written once more: Nesterov's momentum.
  bool lookahead = false;
  // The memory is written at the last of every `period` steps, with the sum of their gradients.
  int64_t period = 1;

  // A fresh memory for a parameter; its tensors by slot: "m", or "m.0", "m.1" of several, and
  // "m.sum" of what a period has gathered.
  NamedTensors Init(const Shape& param, DType dtype) const;
  // What the level makes of the signal at `step` (from 0); takes its tensors in `state` a step on.
  Tensor Update(const Signal& signal, int64_t step, const Hypers& hypers,
                NamedTensors& state) const;
};

// `scalar` in the dtype and on the device of `like`.
Tensor ScalarLike(const Tensor& scalar, const Tensor& like);

// An average of gradients, M <- keep M + strength g: the Hebbian memory with a single key, 1.
struct EmaOptions {
  std::string slot;
  std::string keep;  // The hyper-parameter that is the keep factor.
  // What a gradient is written with. Unset: 1 - keep.
  std::function<Tensor(const LevelStep&)> strength = {};
  bool corrected = false;  // Divide by 1 - keep^writes (Kingma & Ba 2015).
  bool lookahead = false;
};
Level EmaLevel(EmaOptions options);

}  // namespace palimpsest

#endif  // OPTIM_LEVEL_H_
