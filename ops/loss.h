#ifndef OPS_LOSS_H_
#define OPS_LOSS_H_

#include <cstdint>

#include "core/tensor.h"

namespace palimpsest {

inline constexpr int32_t kIgnoreLabel = -100;

// Mean of -log softmax(logits)[label] over the labels that are not kIgnoreLabel; 0 if all are.
// logits [..., classes], labels integer [...] -> [] f32 (f64 for f64).
Tensor CrossEntropy(const Tensor& logits, const Tensor& labels);

// [batch, 1 + groups, 3] f64: of each sequence, over all its labels and over those of each group,
// how many there are, how many have the largest logit (of equal ones the first is it), and the sum
// of their losses. logits [batch, time, classes]; labels i32 [batch, time]; group the same, of each
// label, in [0, groups), or none. No gradient.
Tensor LabelScores(const Tensor& logits, const Tensor& labels, const Tensor& group = {},
                   int64_t groups = 0);

}  // namespace palimpsest

#endif  // OPS_LOSS_H_
