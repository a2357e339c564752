#ifndef TASKS_TASK_H_
#define TASKS_TASK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tasks/draws.h"

namespace palimpsest {

struct Example {
  std::vector<int32_t> tokens = {};
  std::vector<int32_t> labels = {};  // One a token: see Examples.
  std::vector<int32_t> parts = {};   // One a token: an index into Task::parts(), if it has some.

  // Adds a token and what is to be said after it.
  void Add(int64_t token, int64_t label, int64_t part = 0);
  void Add(int64_t token);  // Nothing is to be said after it.
};

// Training may show more than an evaluation asks for.
enum class Split { kTrain, kEval };

// How an example is made.
class Task {
 public:
  virtual ~Task() = default;
  virtual int64_t vocab() const = 0;  // Tokens and labels are in [0, vocab).
  // OK if there are examples of `length` tokens.
  virtual absl::Status CheckLength(int64_t length) const = 0;
  // An example of `length` tokens, or as many below as the task can have; a function of `draws`.
  virtual Example Make(int64_t length, Split split, Draws& draws) const = 0;
  virtual std::string Describe() const = 0;  // A line for the banner.
  virtual std::string Text(int32_t token) const;
  virtual bool is_text() const { return false; }  // Tokens are bytes.
  // What labels are told apart by within an example ("phase=old"), if anything.
  virtual std::vector<std::string> parts() const { return {}; }
  virtual std::string Fingerprint() const { return ""; }  // Of the files read.
};

}  // namespace palimpsest

#endif  // TASKS_TASK_H_
