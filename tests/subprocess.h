#ifndef TESTS_SUBPROCESS_H_
#define TESTS_SUBPROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace palimpsest {

struct ProcessResult {
  int code = 0;  // Exit code; 128 + signal if one ended it.
  std::string out, err;
};

// A program under test; `args[0]` is its path.
class Process {
 public:
  explicit Process(const std::vector<std::string>& args);
  // Waits until the standard output so far contains `text`, or ends.
  void WaitFor(const std::string& text);
  void Signal(int signal) const;
  ProcessResult Wait();

 private:
  bool ReadSome();

  pid_t pid_ = -1;
  int out_ = -1;
  std::string err_path_;
  ProcessResult result_;
};

inline ProcessResult RunProcess(const std::vector<std::string>& args) {
  return Process(args).Wait();
}

}  // namespace palimpsest

#endif  // TESTS_SUBPROCESS_H_
