#ifndef TRAIN_METRICS_H_
#define TRAIN_METRICS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace palimpsest {

// Sums over examples, in f64 and in their order.
class Tally {
 public:
  // Of one example: its labels, how many have the largest logit, and the sum of their losses.
  void Add(int64_t labels, int64_t correct, double loss_sum);

  double loss() const { return labels_ == 0 ? 0 : loss_sum_ / static_cast<double>(labels_); }
  // The share of an example's labels that have the largest logit, averaged over examples.
  double accuracy() const { return PerExample(accuracy_sum_); }
  // The share of examples all of whose labels do: what greedy decoding gets exactly right.
  double sequence_accuracy() const { return PerExample(static_cast<double>(whole_)); }
  int64_t labels() const { return labels_; }
  int64_t examples() const { return examples_; }

 private:
  double PerExample(double sum) const {
    return examples_ == 0 ? 0 : sum / static_cast<double>(examples_);
  }

  double loss_sum_ = 0, accuracy_sum_ = 0;
  int64_t labels_ = 0, examples_ = 0, whole_ = 0;
};

// Of all labels scored so far, and of the slices they fall into: the same whatever the batch.
class Score : public Tally {
 public:
  explicit Score(const std::vector<std::string>& slices = {});

  // logits [examples, time, vocab]; labels i32 [examples, time]; slices the same, of each label, if
  // there are any. Examples without labels do not count.
  void Add(const Tensor& logits, const Tensor& labels, const Tensor& slices = {});

  struct Slice {
    std::string name;
    Tally tally;
  };
  const std::vector<Slice>& slices() const { return slices_; }
  int64_t tokens() const { return tokens_; }  // Read, labelled or not.

 private:
  std::vector<Slice> slices_;
  int64_t tokens_ = 0;
};

}  // namespace palimpsest

#endif  // TRAIN_METRICS_H_
