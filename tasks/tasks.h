#ifndef TASKS_TASKS_H_
#define TASKS_TASKS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "tasks/data.h"
#include "tasks/generated.h"
#include "tasks/task.h"

// The tasks. tasks.proto says of each what a sequence looks like, what is asked and where it is
// from; here is what its makers add to that. Errors name a field of the task's message.
namespace palimpsest {

// Random windows, uniform over all positions, keyed (seed, "data", step). The last window of the
// validation ends with the data, and ignores the labels it shares with the one before.
absl::StatusOr<std::unique_ptr<DataSource>> MakeBytesSource(const DataConfig& data, int64_t length,
                                                            uint64_t seed);
std::string ByteText(int32_t byte);  // a, \n, \xff

// Keys and values are distinct. The space after them is cut into slots of two tokens; each key
// starts one, drawn without replacement. Draws are in the order: keys, values, slots, rest.
absl::StatusOr<Segments> MakeMqarSegments(const DataConfig& data, int64_t length);

using TaskOrError = absl::StatusOr<std::shared_ptr<const Task>>;

TaskOrError MakeInContextRecall(const DataConfig& data);
TaskOrError MakeNoisyRecall(const DataConfig& data);
TaskOrError MakeFuzzyRecall(const DataConfig& data);
TaskOrError MakeSelectiveCopying(const DataConfig& data);
TaskOrError MakeCompression(const DataConfig& data);
TaskOrError MakeMemorization(const DataConfig& data);
TaskOrError MakeParity(const DataConfig& data);
TaskOrError MakeModularArithmetic(const DataConfig& data);
TaskOrError MakeGroupWord(const DataConfig& data);
TaskOrError MakeFormalLanguage(const DataConfig& data);
TaskOrError MakeNeedle(const DataConfig& data);
TaskOrError MakeClassIncremental(const DataConfig& data);

// OK if `value` is from `least` to `most`, else an error that names it. `why`: what the bounds
// follow from, "with cues 3".
absl::Status CheckTaskValue(const char* name, int64_t value, int64_t least,
                            int64_t most = kMostTaskSize, const std::string& why = "");
// OK if examples of `length` tokens can be had where the task needs `least`.
absl::Status CheckLengthAtLeast(int64_t length, int64_t least, const std::string& why = "");

// A file that a field, "data.bytes.path", names: errors name both.
absl::StatusOr<std::string> ReadTaskFile(const char* field, const std::string& path);

}  // namespace palimpsest

#endif  // TASKS_TASKS_H_
