#ifndef OPS_SOFTMAX_H_
#define OPS_SOFTMAX_H_

#include "core/tensor.h"

namespace palimpsest {

// Over the last axis; computed in f32 for bf16.
Tensor Softmax(const Tensor& x);
Tensor LogSoftmax(const Tensor& x);

}  // namespace palimpsest

#endif  // OPS_SOFTMAX_H_
