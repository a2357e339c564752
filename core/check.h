#ifndef CORE_CHECK_H_
#define CORE_CHECK_H_

#include <sstream>

namespace palimpsest {

// Collects the message of a failed check and aborts with it, naming the op in progress.
class CheckFailure {
 public:
  CheckFailure(const char* file, int line, const char* condition);
  [[noreturn]] ~CheckFailure();
  std::ostream& message() { return message_; }

 private:
  std::ostringstream message_;
};

}  // namespace palimpsest

// A programmer's mistake (shape, dtype, device) ends here, with every shape in the streamed
// message. What a user can cause (a file, a config, a plugin) travels as absl::Status instead.
#define PALIMPSEST_CHECK(condition) \
  while (!(condition)) ::palimpsest::CheckFailure(__FILE__, __LINE__, #condition).message()

#endif  // CORE_CHECK_H_
