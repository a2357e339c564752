#include "train/evaluate.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace palimpsest {
namespace {

// [begin, end) of batches that cross none of the source's ends.
std::vector<std::pair<int64_t, int64_t>> Batches(const DataSource& data, int64_t batch) {
  std::vector<std::pair<int64_t, int64_t>> batches;
  int64_t begin = 0;
  for (const int64_t end : data.eval_ends()) {
    for (; begin < end; begin = batches.back().second)
      batches.emplace_back(begin, std::min(begin + batch, end));
  }
  return batches;
}

}  // namespace

Score Evaluate(const LanguageModel& model, const DataSource& data, int64_t batch, int64_t batches) {
  return *EvaluateUnless([] { return false; }, model, data, batch, batches);
}

std::optional<Score> EvaluateUnless(absl::FunctionRef<bool()> stop, const LanguageModel& model,
                                    const DataSource& data, int64_t batch, int64_t batches) {
  const std::vector<std::pair<int64_t, int64_t>> all = Batches(data, batch);
  const auto size = static_cast<int64_t>(all.size()), count = std::min(batches, size);
  Score score(data.slices());
  for (int64_t i = 0; i < count; ++i) {
    if (stop()) return std::nullopt;
    const auto [begin, end] = all[i * size / count];
    const Examples part = data.EvalBatch(begin, end);
    score.Add(model.Forward(part.tokens).logits, part.labels, part.slices);
  }
  return score;
}

}  // namespace palimpsest
