#ifndef OPS_DROPOUT_H_
#define OPS_DROPOUT_H_

#include "core/random.h"
#include "core/tensor.h"

namespace palimpsest {

// Zeroes element i where word i % 4 of stream.Words(i / 4) is below rate 2^32, and scales the
// others by 1 / (1 - rate). 0 <= rate <= 1 - 2^-32. `step`, i64 [] where x is, stands in for the
// stream's, if it is given.
Tensor Dropout(const Tensor& x, double rate, const RandomStream& stream, const Tensor& step = {});

}  // namespace palimpsest

#endif  // OPS_DROPOUT_H_
