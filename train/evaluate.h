#ifndef TRAIN_EVALUATE_H_
#define TRAIN_EVALUATE_H_

#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"
#include "nn/model.h"
#include "tasks/data.h"
#include "train/metrics.h"

namespace palimpsest {

// Scores at most `batches` batches of `batch` validation examples, evenly spread; without a limit
// all. Examples of different lengths meet in no batch, so that what each is padded to, and with it
// the score of all, does not depend on `batch`.
Score Evaluate(const LanguageModel& model, const DataSource& data, int64_t batch,
               int64_t batches = INT64_MAX);

// The same, or nothing if `stop` said so between two batches.
std::optional<Score> EvaluateUnless(absl::FunctionRef<bool()> stop, const LanguageModel& model,
                                    const DataSource& data, int64_t batch, int64_t batches);

}  // namespace palimpsest

#endif  // TRAIN_EVALUATE_H_
