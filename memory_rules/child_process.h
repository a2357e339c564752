#ifndef MEMORY_RULES_CHILD_PROCESS_H_
#define MEMORY_RULES_CHILD_PROCESS_H_

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace palimpsest {

// What a child process leaves behind however it ends: memory that it shares with its parent.
class ChildReport {
 public:
  // What it is about to do, as in "crashed DOING (signal 11, ...)".
  void SetDoing(const std::string& what);
  void Finish(const absl::Status& status);

  std::string doing() const { return doing_; }
  bool done() const { return done_; }
  absl::Status status() const {
    return error_[0] == '\0' ? absl::OkStatus() : absl::InvalidArgumentError(error_);
  }

 private:
  char doing_[256] = "";
  char error_[4096] = "";
  bool done_ = false;
};

// Runs `body` in a copy of this process, which nothing that it does changes. Returns its status; if
// it crashes, throws, exits or takes longer than `seconds`, an error that says which, what it was
// doing, and what it printed.
absl::Status RunInChild(int seconds, absl::FunctionRef<absl::Status(ChildReport*)> body);

}  // namespace palimpsest

#endif  // MEMORY_RULES_CHILD_PROCESS_H_
