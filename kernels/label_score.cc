#include "kernels/label_score.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/parallel.h"

namespace palimpsest {

constinit Kernel<void(const LabelScoreArgs&)> label_score("label_score");

namespace {

struct Row {
  double loss;
  bool correct;
};

template <typename T>
Row ScoreRow(const T* logits, int64_t classes, int64_t label) {
  int64_t best = -1;
  double largest = NAN;
  for (int64_t i = 0; i < classes; ++i) {
    const auto x = static_cast<double>(logits[i]);
    if (best < 0 ? !std::isnan(x) : x > largest) best = i, largest = x;
  }
  double sum = 0.0;
  for (int64_t i = 0; i < classes; ++i) sum += std::exp(static_cast<double>(logits[i]) - largest);
  return {largest + std::log(sum) - static_cast<double>(logits[label]), best == label};
}

std::vector<Row> ScoreRows(const LabelScoreArgs& args) {
  std::vector<Row> rows(args.batch * args.time);
  DispatchFloat(args.dtype, [&]<typename T>() {
    const T* logits = static_cast<const T*>(args.logits);
    ParallelFor(args.batch * args.time, 64, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        if (args.label[i] == args.ignored) continue;
        PALIMPSEST_CHECK(args.label[i] >= 0 && args.label[i] < args.classes)
            << "label " << args.label[i] << " of " << args.classes << " classes";
        rows[i] = ScoreRow(logits + i * args.classes, args.classes, args.label[i]);
      }
    });
  });
  return rows;
}

void LabelScoreCpu(const LabelScoreArgs& args) {
  const std::vector<Row> rows = ScoreRows(args);
  const int64_t each = 3 * (1 + args.groups);
  std::fill_n(args.scores, args.batch * each, 0.0);
  for (int64_t i = 0; i < args.batch * args.time; ++i) {
    if (args.label[i] == args.ignored) continue;
    double* of_sequence = args.scores + i / args.time * each;
    const auto add = [&](double* score) {
      score[0] += 1.0;
      score[1] += rows[i].correct ? 1.0 : 0.0;
      score[2] += rows[i].loss;
    };
    add(of_sequence);
    if (args.group == nullptr) continue;
    PALIMPSEST_CHECK(args.group[i] >= 0 && args.group[i] < args.groups)
        << "group " << args.group[i] << " of " << args.groups;
    add(of_sequence + 3 * (1 + args.group[i]));
  }
}

PALIMPSEST_REGISTER_KERNEL(label_score, kCpu, LabelScoreCpu);

}  // namespace
}  // namespace palimpsest
