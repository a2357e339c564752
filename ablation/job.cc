#include "ablation/job.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace palimpsest {
namespace {

absl::Status Failed(const std::string& doing) {
  return absl::UnavailableError(absl::StrCat("cannot ", doing, ": ", std::strerror(errno)));
}

constexpr int kCannotStart = 127;

// In the child, where only what is safe after fork may be called.
[[noreturn]] void Become(char* const* argv, const char* directory, int log, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(128 + SIGTERM);  // It ended before we could ask to be told.
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ}) ::signal(signal, SIG_DFL);
  const int none = open("/dev/null", O_RDONLY);
  if (none < 0 || dup2(none, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
      dup2(log, STDERR_FILENO) < 0)
    _exit(kCannotStart);
  const char* what = directory;
  if (chdir(directory) == 0) {
    execv(argv[0], argv);
    what = argv[0];
  }
  const char* why = strerrordesc_np(errno);
  for (const char* text : {"palimpsest: cannot start in or as ", what, ": ", why, "\n"}) {
    if (write(STDERR_FILENO, text, std::strlen(text)) < 0) break;
  }
  _exit(kCannotStart);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Job>> Job::Start(const JobCommand& command) {
  const int log = open(command.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) return Failed(absl::StrCat("open ", command.log));
  std::vector<char*> argv;
  for (const std::string& arg : command.args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = getpid(), pid = fork();
  if (pid == 0) Become(argv.data(), command.directory.c_str(), log, parent);
  close(log);
  if (pid < 0) return Failed("start a process");
  return std::unique_ptr<Job>(new Job(pid));
}

Job::~Job() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

std::optional<int> Job::Poll() {
  int status = 0;
  if (pid_ < 0 || waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  pid_ = -1;
  return status;
}

void Job::Signal(int signal) const {
  if (pid_ > 0) kill(pid_, signal);
}

}  // namespace palimpsest
