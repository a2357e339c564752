#ifndef TRAIN_EVALUATE_H_
#define TRAIN_EVALUATE_H_

#include <cstdint>

#include "nn/model.h"
#include "train/data.h"
#include "train/metrics.h"

namespace palimpsest {

// Scores at most `batches` batches of `batch` validation examples, evenly spread; without a limit
// all.
Score Evaluate(const LanguageModel& model, const DataSource& data, int64_t batch,
               int64_t batches = INT64_MAX);

}  // namespace palimpsest

#endif  // TRAIN_EVALUATE_H_
