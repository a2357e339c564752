#ifndef OPTIM_CHAIN_H_
#define OPTIM_CHAIN_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "optim/level.h"

namespace palimpsest {

// Hyper-parameters every chain has: "lr", here that of the step, and "weight_decay".
struct ChainStep {
  int64_t step;  // From 0.
  const Hypers& hypers;
  const Tensor& grad_scale;  // f64 scalar; gradients are multiplied by it first.
};

// How one parameter is trained: levels, each seeing what the one before read out, then scaling by a
// second moment, then a step down with decay:
//   u = level_n(... level_1(g));  u /= sqrt(v(g^2)) + eps
//   p <- (1 - lr weight_decay) p - lr step_scale u
struct Chain {
  std::vector<Level> levels;
  std::optional<Level> second_moment;  // A memory of squared gradients. Has the hyper "eps".
  std::function<double(const Shape&)> step_scale = {};
  // Of the weights, as above, or added to the gradient: g + weight_decay p.
  enum class Decay { kOfWeights, kOfGradient } decay = Decay::kOfWeights;

  // All of it in one kernel, in place where the tensors are no one else's. Taken where a device has
  // it and no tape looks on; what stands above is its oracle.
  using Fused = void (*)(Tensor& param, const Tensor& grad, NamedTensors& state, const ChainStep&);
  Fused fused = nullptr;
  bool (*has_fused)(Device) = nullptr;

  // State by slot, "m"; of a bf16 parameter also "master", its f32 copy, which is what is trained.
  NamedTensors Init(const Tensor& param) const;
  void Update(Tensor& param, Tensor grad, NamedTensors& state, const ChainStep& step) const;

 private:
  bool UsesFused(const Tensor& param, const Tensor& grad, const NamedTensors& state,
                 const ChainStep& step) const;
  Tensor Composed(const Tensor& param, const Tensor& grad, NamedTensors& state,
                  const ChainStep& step) const;
};

}  // namespace palimpsest

#endif  // OPTIM_CHAIN_H_
