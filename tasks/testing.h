#ifndef TASKS_TESTING_H_
#define TASKS_TESTING_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tasks/data.h"

namespace palimpsest {

// "group_word {} eval_length: 32"
DataConfig ParseData(const std::string& text);
std::unique_ptr<DataSource> TaskSource(const std::string& text, int64_t length, uint64_t seed = 0);
// What MakeDataSource says is wrong.
std::string TaskError(const std::string& text, int64_t length);

std::vector<int32_t> Ints(const Tensor& x);  // None of no tensor.

// A row without the padding that ends it.
struct Row {
  std::vector<int32_t> tokens, labels;
  std::vector<std::string> token_text, label_text;  // "." where nothing is asked.
};
std::vector<Row> Rows(const DataSource& source, const Examples& examples);
// The first `count` examples of the evaluation.
std::vector<Row> EvalRows(const DataSource& source, int64_t count);

}  // namespace palimpsest

#endif  // TASKS_TESTING_H_
