#ifndef OPS_DROPOUT_H_
#define OPS_DROPOUT_H_

#include "core/random.h"
#include "core/tensor.h"

namespace palimpsest {

// Zeroes element i where stream.Uniform(i) < rate and scales the others by 1 / (1 - rate).
Tensor Dropout(const Tensor& x, double rate, const RandomStream& stream);

}  // namespace palimpsest

#endif  // OPS_DROPOUT_H_
