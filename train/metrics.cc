#include "train/metrics.h"

#include "ops/loss.h"

namespace palimpsest {
namespace {

// Labels, how many of them have the largest logit, and the sum of their losses.
constexpr int64_t kSums = 3;

void AddSums(const double* sums, Tally* tally) {
  tally->Add(static_cast<int64_t>(sums[0]), static_cast<int64_t>(sums[1]), sums[2]);
}

}  // namespace

void Tally::Add(int64_t labels, int64_t correct, double loss_sum) {
  if (labels == 0) return;
  labels_ += labels;
  loss_sum_ += loss_sum;
  accuracy_sum_ += static_cast<double>(correct) / static_cast<double>(labels);
  whole_ += correct == labels;
  ++examples_;
}

Score::Score(const std::vector<std::string>& slices) {
  for (const std::string& name : slices) slices_.push_back({name, {}});
}

void Score::Add(const Tensor& logits, const Tensor& labels, const Tensor& slices) {
  PALIMPSEST_CHECK(logits.rank() == 3 && labels.shape() == Shape({logits.dim(0), logits.dim(1)}) &&
                   static_cast<bool>(slices) == !slices_.empty() &&
                   (!slices || slices.shape() == labels.shape()))
      << "logits " << logits << ", labels " << labels << ", " << slices_.size() << " slices";
  const auto there = [&](const Tensor& x) { return x ? CopyTo(x, logits.device()) : x; };
  const auto groups = static_cast<int64_t>(slices_.size()), each = kSums * (1 + groups);
  const std::vector<double> sums =
      LabelScores(logits, there(labels), there(slices), groups).ToVector();
  tokens_ += labels.size();
  for (int64_t b = 0; b < labels.dim(0); ++b) {
    const double* of_example = sums.data() + b * each;
    AddSums(of_example, this);
    for (int64_t s = 0; s < groups; ++s) AddSums(of_example + kSums * (1 + s), &slices_[s].tally);
  }
}

}  // namespace palimpsest
