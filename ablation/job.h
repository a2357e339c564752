#ifndef ABLATION_JOB_H_
#define ABLATION_JOB_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace palimpsest {

struct JobCommand {
  std::vector<std::string> args;  // The first is the program's path, absolute.
  std::string directory;          // To run it in.
  std::string log;                // What it prints is appended here.
};

// A child process. It is out of the terminal's reach, so that Ctrl-C comes from us alone, and is
// asked to stop (SIGTERM) if we end before it, however we end. From one thread only.
class Job {
 public:
  static absl::StatusOr<std::unique_ptr<Job>> Start(const JobCommand& command);
  ~Job();  // Ends it.
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  // As of waitpid, once it has ended.
  std::optional<int> Poll();
  void Signal(int signal) const;

 private:
  explicit Job(pid_t pid) : pid_(pid) {}
  pid_t pid_;  // -1 once it has been waited for.
};

}  // namespace palimpsest

#endif  // ABLATION_JOB_H_
