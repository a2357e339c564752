#ifndef TRAIN_EVALUATE_H_
#define TRAIN_EVALUATE_H_

#include <cstdint>

#include "nn/model.h"
#include "tasks/data.h"
#include "train/metrics.h"

namespace palimpsest {

// Scores at most `batches` batches of `batch` validation examples, evenly spread; without a limit
// all. Examples of different lengths meet in no batch, so that what each is padded to, and with it
// the score of all, does not depend on `batch`.
Score Evaluate(const LanguageModel& model, const DataSource& data, int64_t batch,
               int64_t batches = INT64_MAX);

}  // namespace palimpsest

#endif  // TRAIN_EVALUATE_H_
