#ifndef OPTIM_GRADIENTS_H_
#define OPTIM_GRADIENTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace palimpsest {

// What an update has to know of all gradients at once, where they are: asking here waits for them.
struct GradientNorms {
  std::vector<std::string> names;
  Tensor squares;  // f64 [names], sum x^2 of each.
  // f64 []. sqrt of the sum of the squares, by name; and what gradients are multiplied by:
  // min(1, max_norm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_, 1 if max_norm is 0, NaN
  // where the norm is not finite. A function of the gradients where a tape tracks them.
  Tensor norm, scale;

  double Norm() const { return norm ? norm.Item() : 0.0; }
  // The first whose values are not finite; "" if there is none.
  std::string NonFinite() const;
};

// What else decides, where the gradients are, whether a step is made; and what one step tells the
// next.
struct StepGuard {
  // f64 []; no step is made where it is not finite. Empty: not looked at.
  Tensor loss = {};
  // f64 []: steps since the first that was not made, this included; none is made any more. Empty:
  // such steps are skipped.
  Tensor failed = {};
  // Steps that were skipped before this one, where the host knows; where it has to and does not, it
  // waits for the device.
  std::optional<int64_t> skipped = {};
  // Optimizer::StepNumbers, where the gradients are; empty: the host's.
  Tensor numbers = {};
};

// Counts 1 more in *skipped, an f64 scalar, and in guard->failed, where these are, for a step that
// is not made: its scale is NaN.
GradientNorms MeasureGradients(const NamedTensors& grads, double max_norm,
                               Tensor* skipped = nullptr, StepGuard* guard = nullptr);

// sum <- sum + weight grads: gradients of a step in several parts. An empty sum takes the names of
// `grads`.
void AccumulateGradients(NamedTensors& sum, NamedTensors grads, double weight);

}  // namespace palimpsest

#endif  // OPTIM_GRADIENTS_H_
