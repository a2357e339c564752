#include "train/metrics.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/parallel.h"
#include "ops/loss.h"

namespace palimpsest {
namespace {

struct Row {
  double loss;
  bool correct;
};

template <typename T>
Row ScoreRow(const T* logits, int64_t vocab, int64_t label) {
  const T* best = std::max_element(logits, logits + vocab, [](T a, T b) {
    return static_cast<double>(a) < static_cast<double>(b);
  });
  double sum = 0;
  for (int64_t i = 0; i < vocab; ++i)
    sum += std::exp(static_cast<double>(logits[i]) - static_cast<double>(*best));
  return {static_cast<double>(*best) + std::log(sum) - static_cast<double>(logits[label]),
          best - logits == label};
}

}  // namespace

void Score::Add(const Tensor& logits, const Tensor& labels) {
  PALIMPSEST_CHECK(logits.rank() == 3 && labels.shape() == Shape({logits.dim(0), logits.dim(1)}))
      << "logits " << logits << ", labels " << labels;
  const int64_t examples = logits.dim(0), time = logits.dim(1), vocab = logits.dim(2);
  const int32_t* label = labels.data<int32_t>();
  std::vector<Row> rows(labels.size());
  DispatchFloat(logits.dtype(), [&]<typename T>() {
    const T* data = logits.data<T>();
    ParallelFor(labels.size(), 64, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        if (label[i] != kIgnoreLabel) rows[i] = ScoreRow(data + i * vocab, vocab, label[i]);
      }
    });
  });
  for (int64_t b = 0; b < examples; ++b) {
    int64_t count = 0, correct = 0;
    for (int64_t i = b * time; i < (b + 1) * time; ++i) {
      if (label[i] == kIgnoreLabel) continue;
      loss_sum_ += rows[i].loss;
      correct += rows[i].correct;
      ++count;
    }
    if (count == 0) continue;
    labels_ += count;
    accuracy_sum_ += static_cast<double>(correct) / static_cast<double>(count);
    ++examples_;
  }
}

}  // namespace palimpsest
