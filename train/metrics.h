#ifndef TRAIN_METRICS_H_
#define TRAIN_METRICS_H_

#include <cstdint>

#include "core/tensor.h"

namespace palimpsest {

// Sums over the examples scored so far, in f64 and in their order: the same whatever the batch.
class Score {
 public:
  // logits [examples, time, vocab], labels i32 [examples, time]. Examples without labels do not
  // count.
  void Add(const Tensor& logits, const Tensor& labels);

  double loss() const { return labels_ == 0 ? 0 : loss_sum_ / static_cast<double>(labels_); }
  // The share of an example's labels that have the largest logit, averaged over examples.
  double accuracy() const {
    return examples_ == 0 ? 0 : accuracy_sum_ / static_cast<double>(examples_);
  }
  int64_t labels() const { return labels_; }
  int64_t examples() const { return examples_; }

 private:
  double loss_sum_ = 0, accuracy_sum_ = 0;
  int64_t labels_ = 0, examples_ = 0;
};

}  // namespace palimpsest

#endif  // TRAIN_METRICS_H_
