#ifndef TASKS_TASKS_H_
#define TASKS_TASKS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "tasks/data.h"
#include "tasks/generated.h"
#include "tasks/task.h"

// The tasks, each for its message of tasks.proto. Errors name a field within it.
namespace palimpsest {

// Random windows of the file, uniform over all positions, keyed (seed, "data", step). Validation is
// cut into windows side by side; the last one ends with the data, and ignores the labels it shares
// with the one before.
absl::StatusOr<std::unique_ptr<DataSource>> MakeBytesSource(const DataConfig& data, int64_t length,
                                                            uint64_t seed);
std::string ByteText(int32_t byte);  // 'a', '\n', '\xff'

// Multi-query associative recall. A sequence shows `pairs` distinct keys of [1, vocab / 2), each
// followed by its value, distinct ones of [vocab / 2, vocab), `passes` times over: k1 v1 k2 v2 ...
// . In the space after them, cut into slots of two tokens, each key stands once more at the start
// of a slot, slot i = 1, 2, ... being drawn with weight i^(power_a - 1) without replacement; the
// label there is the key's value. All other labels are ignored. What is left is drawn from [0,
// vocab), or 0 without random_non_queries. Draws are in the order: keys, values, slots, rest.
absl::StatusOr<Segments> MakeMqarSegments(const DataConfig& data, int64_t length);

}  // namespace palimpsest

#endif  // TASKS_TASKS_H_
