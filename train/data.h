#ifndef TRAIN_DATA_H_
#define TRAIN_DATA_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/tensor.h"
#include "train/config.pb.h"

namespace palimpsest {

struct Examples {
  Tensor tokens, labels;  // i32 [examples, length]; labels may be kIgnoreLabel.
};

// Where examples come from. Pure: what a step trains on depends on the config and the step alone,
// so a run can be resumed anywhere.
class DataSource {
 public:
  virtual ~DataSource() = default;
  virtual int64_t vocab() const = 0;
  virtual Examples TrainBatch(int64_t step, int64_t batch) const = 0;
  // The validation data, always the same: each label counts once over all examples.
  virtual int64_t eval_examples() const = 0;
  virtual Examples EvalBatch(int64_t begin, int64_t end) const = 0;
  virtual std::string Describe() const = 0;     // For the banner.
  virtual std::string Fingerprint() const = 0;  // Of the files read; "" if there are none.
};

// Examples of config.length tokens from config.data.
absl::StatusOr<std::unique_ptr<DataSource>> MakeDataSource(const TrainConfig& config);

// Random windows of the file, uniform over all positions, keyed (seed, "data", step). Validation is
// cut into windows side by side; the last one ends with the data, and ignores the labels it shares
// with the one before.
absl::StatusOr<std::unique_ptr<DataSource>> MakeBytesSource(const BytesData& config, int64_t length,
                                                            uint64_t seed);

// Multi-query associative recall. A sequence shows `pairs` distinct keys of [1, vocab / 2), each
// followed by its value, distinct ones of [vocab / 2, vocab), `passes` times over: k1 v1 k2 v2 ...
// . In the space after them, cut into slots of two tokens, each key stands once more at the start
// of a slot, slot i = 1, 2, ... being drawn with weight i^(power_a - 1) without replacement; the
// label there is the key's value. All other labels are ignored. What is left is drawn from [0,
// vocab), or 0 without random_non_queries. Example n is a function of (seed, "mqar.train" or
// "mqar.eval", n): training and evaluation share none of their streams. Its draws come from the
// stream's elements 0, 1, 2... in the order: keys, values, slots, rest.
absl::StatusOr<std::unique_ptr<DataSource>> MakeMqarSource(const MqarData& config, int64_t length,
                                                           uint64_t seed);

}  // namespace palimpsest

#endif  // TRAIN_DATA_H_
