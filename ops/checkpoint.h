#ifndef OPS_CHECKPOINT_H_
#define OPS_CHECKPOINT_H_

#include <functional>

#include "core/tensor.h"

namespace palimpsest {

// f(inputs), keeping only the inputs (and whatever else tracked f uses) for the backward pass,
// which runs f again (Chen et al. 2016). f must be a pure function of tensors.
Tensors Checkpoint(std::function<Tensors(const Tensors& inputs)> f, const Tensors& inputs);

}  // namespace palimpsest

#endif  // OPS_CHECKPOINT_H_
