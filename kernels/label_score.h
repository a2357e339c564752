#ifndef KERNELS_LABEL_SCORE_H_
#define KERNELS_LABEL_SCORE_H_

#include <cstdint>

#include "core/dtype.h"
#include "core/kernel.h"

namespace palimpsest {

// Of each sequence, over all its labels and over those of each group: how many there are, how many
// have the largest logit (of equal ones the first is it, NaN never), and the sum of their losses
// log(sum_c exp(logits[c])) - logits[label], in f64 and in the order of time.
struct LabelScoreArgs {
  DType dtype;  // Of logits.
  int64_t batch, time, classes, groups;
  const void* logits;    // [batch, time, classes]
  const int32_t* label;  // [batch, time]: a class, or `ignored`.
  int32_t ignored;
  const int32_t* group;  // [batch, time]: of a label, in [0, groups). nullptr: in none.
  double* scores;        // [batch, 1 + groups, 3]: of all, then of each group.
};
extern Kernel<void(const LabelScoreArgs&)> label_score;

}  // namespace palimpsest

#endif  // KERNELS_LABEL_SCORE_H_
