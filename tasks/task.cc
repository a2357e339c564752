#include "tasks/task.h"

#include "absl/strings/str_cat.h"
#include "ops/loss.h"

namespace palimpsest {

void Example::Add(int64_t token, int64_t label, int64_t part) {
  tokens.push_back(static_cast<int32_t>(token));
  labels.push_back(static_cast<int32_t>(label));
  parts.push_back(static_cast<int32_t>(part));
}

void Example::Add(int64_t token) { Add(token, kIgnoreLabel); }

std::string Task::Text(int32_t token) const { return absl::StrCat(token); }

}  // namespace palimpsest
