#ifndef OPTIM_GRADIENTS_H_
#define OPTIM_GRADIENTS_H_

#include "core/tensor.h"

namespace palimpsest {

// sqrt(sum x^2) over all tensors, in f64; the order of summation is that of the names and extents.
double GlobalNorm(const NamedTensors& tensors);

// min(1, max_norm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_: what gradients of that
// global norm are multiplied by. An f64 scalar; a function of the gradients where a tape tracks
// them. 1 if max_norm is 0.
Tensor ClipScale(const NamedTensors& grads, double norm, double max_norm);

// sum <- sum + weight grads: gradients of a step in several parts. An empty sum takes the names of
// `grads`.
void AccumulateGradients(NamedTensors& sum, NamedTensors grads, double weight);

}  // namespace palimpsest

#endif  // OPTIM_GRADIENTS_H_
