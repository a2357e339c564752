#ifndef TASKS_SHIFTED_H_
#define TASKS_SHIFTED_H_

#include <utility>
#include <vector>

#include "ops/loss.h"
#include "tasks/task.h"

namespace palimpsest {

// An example whose labels are the tokens that come next, where they are asked for.
class Shifted {
 public:
  void Add(int64_t token, bool asked) {
    tokens_.push_back(token);
    asked_.push_back(asked);
  }
  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }

  // All but the last token, with the next one as label where it is asked for, or, with `all`,
  // wherever it is not in front of `first`.
  Example Finish(bool all, int64_t first = 0) && {
    Example example;
    for (int64_t t = 0; t + 1 < size(); ++t) {
      const bool label = asked_[t + 1] || (all && t + 1 >= first);
      example.Add(tokens_[t], label ? tokens_[t + 1] : kIgnoreLabel);
    }
    return example;
  }

 private:
  std::vector<int64_t> tokens_;
  std::vector<bool> asked_;
};

}  // namespace palimpsest

#endif  // TASKS_SHIFTED_H_
