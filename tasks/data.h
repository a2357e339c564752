#ifndef TASKS_DATA_H_
#define TASKS_DATA_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/tensor.h"
#include "tasks/tasks.pb.h"

namespace palimpsest {

struct Examples {
  // i32 [examples, length]: label t is what is to be said once tokens 0 ... t are read, or
  // kIgnoreLabel. Shorter examples end with tokens 0 and labels to ignore.
  Tensor tokens, labels;
  Tensor slices = {};  // i32 [examples, length]: of each label; none if the source has no slices.
};

// Where examples come from. Pure: what a step trains on depends on the config and the step alone,
// so a run can be resumed anywhere.
class DataSource {
 public:
  virtual ~DataSource() = default;
  virtual int64_t vocab() const = 0;
  virtual int64_t longest() const = 0;  // Tokens of the longest example.
  virtual Examples TrainBatch(int64_t step, int64_t batch) const = 0;
  // The validation data, always the same: each label counts once over all examples.
  virtual int64_t eval_examples() const = 0;
  virtual Examples EvalBatch(int64_t begin, int64_t end) const = 0;
  // Where runs of examples of one length end, the last at eval_examples(): in a batch that crosses
  // no end an example looks the same whatever the batch.
  virtual std::vector<int64_t> eval_ends() const { return {eval_examples()}; }
  // What the validation labels fall into, besides all: "length=256", "phase=old".
  virtual std::vector<std::string> slices() const { return {}; }
  virtual std::string Describe() const = 0;           // For the banner.
  virtual std::string Fingerprint() const = 0;        // Of the files read; "" if there are none.
  virtual std::string Text(int32_t token) const = 0;  // For people.
  virtual bool is_text() const { return false; }      // Tokens are bytes of one.
};

// Examples of config's task, in training of at most `length` tokens. Errors name the field.
absl::StatusOr<std::unique_ptr<DataSource>> MakeDataSource(const DataConfig& config, int64_t length,
                                                           uint64_t seed);

// The names of the tasks, which are those of DataConfig's fields.
std::vector<std::string> TaskNames();

// The task with its defaults, in a length that shows what it is; bytes lack their path.
struct TaskExample {
  DataConfig data;
  int64_t length;
};
TaskExample ExampleOfTask(const std::string& name);

// What tasks.proto says of a task: comment and message, as they stand there. "" is DataConfig.
std::string TaskText(const std::string& name);

}  // namespace palimpsest

#endif  // TASKS_DATA_H_
