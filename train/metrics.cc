#include "train/metrics.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "ops/loss.h"

namespace palimpsest {
namespace {

struct Row {
  double loss;
  bool correct;
};

// Of the labels of an example.
struct Count {
  int64_t labels = 0, correct = 0;
  double loss = 0;

  void Add(const Row& row) {
    ++labels;
    correct += row.correct;
    loss += row.loss;
  }
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

std::vector<Row> ScoreRows(const Tensor& logits, const Tensor& labels) {
  const int64_t vocab = logits.dim(2);
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
  return rows;
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
  const std::vector<Row> rows = ScoreRows(CopyTo(logits, Device::kCpu), labels);
  const int32_t* label = labels.data<int32_t>();
  const int64_t time = labels.dim(1);
  tokens_ += labels.size();
  for (int64_t b = 0; b < labels.dim(0); ++b) {
    Count all;
    std::vector<Count> by_slice(slices_.size());
    for (int64_t i = b * time; i < (b + 1) * time; ++i) {
      if (label[i] == kIgnoreLabel) continue;
      all.Add(rows[i]);
      if (slices) by_slice.at(slices.data<int32_t>()[i]).Add(rows[i]);
    }
    Tally::Add(all.labels, all.correct, all.loss);
    for (size_t s = 0; s < slices_.size(); ++s)
      slices_[s].tally.Add(by_slice[s].labels, by_slice[s].correct, by_slice[s].loss);
  }
}

}  // namespace palimpsest
