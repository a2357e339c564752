#ifndef PROGRAM_TASK_SHOW_H_
#define PROGRAM_TASK_SHOW_H_

#include <cstdint>
#include <string>

#include "tasks/data.h"

namespace palimpsest {

// The first sentence of what tasks.proto says of a task.
std::string TaskSummary(const std::string& name);

// Tokens with their labels below, "." where nothing is asked, in lines of at most 80 columns.
// `row` of examples.
std::string ShowExample(const DataSource& source, const Examples& examples, int64_t row);

// docs/tasks.md
std::string TasksMarkdown();

}  // namespace palimpsest

#endif  // PROGRAM_TASK_SHOW_H_
