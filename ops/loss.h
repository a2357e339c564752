#ifndef OPS_LOSS_H_
#define OPS_LOSS_H_

#include <cstdint>

#include "core/tensor.h"

namespace palimpsest {

inline constexpr int32_t kIgnoreLabel = -100;

// Mean of -log softmax(logits)[label] over the labels that are not kIgnoreLabel; 0 if all are.
// logits [..., classes], labels integer [...] -> [] f32 (f64 for f64).
Tensor CrossEntropy(const Tensor& logits, const Tensor& labels);

}  // namespace palimpsest

#endif  // OPS_LOSS_H_
