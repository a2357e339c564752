#ifndef TASKS_GENERATED_H_
#define TASKS_GENERATED_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tasks/data.h"
#include "tasks/task.h"

namespace palimpsest {

// Examples of one kind. Lengths are drawn from [min_length, length].
struct Segment {
  std::shared_ptr<const Task> task;
  int64_t min_length, length;
  std::string name = {};  // "length=256"
};

// Example i of training is of segment i % train.size(); evaluation has `eval_examples` of each of
// its segments, one segment after the other, which with the parts of the task are its slices.
struct Segments {
  std::vector<Segment> train, eval;
};

// Sizes in configs are at most this: products of a few of them do not overflow.
inline constexpr int64_t kMostTaskSize = 1 << 20;

absl::Status CheckTaskLength(const Task& task, int64_t length);

// `task` in the lengths of `config`: training from min_length to `length`, evaluation in each of
// eval_length.
absl::StatusOr<Segments> SegmentsByLength(std::shared_ptr<const Task> task,
                                          const DataConfig& config, int64_t length);

// Example n is a function of (seed, "NAME.train" or "NAME.eval", n): training and evaluation share
// none of their streams. Training batches are `length` tokens wide.
std::unique_ptr<DataSource> MakeGeneratedSource(const std::string& name, Segments segments,
                                                int64_t eval_examples, int64_t length,
                                                uint64_t seed);

}  // namespace palimpsest

#endif  // TASKS_GENERATED_H_
