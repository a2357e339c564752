#include "train/evaluate.h"

#include <algorithm>

namespace palimpsest {

Score Evaluate(const LanguageModel& model, const DataSource& data, int64_t batch, int64_t batches) {
  const int64_t examples = data.eval_examples();
  const int64_t all = (examples + batch - 1) / batch, count = std::min(batches, all);
  Score score;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t begin = i * all / count * batch;
    const Examples part = data.EvalBatch(begin, std::min(begin + batch, examples));
    score.Add(model.Forward(part.tokens).logits, part.labels);
  }
  return score;
}

}  // namespace palimpsest
