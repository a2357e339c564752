#include "memory_rules/child_process.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace palimpsest {
namespace {

constexpr size_t kMostOutput = 500;

void SetText(const std::string& text, char* buffer, size_t size) {
  std::snprintf(buffer, size, "%s", text.c_str());
}

// In the child: crashes end it and leave no core, and what it prints goes to `output`.
void Isolate(int output, int seconds) {
  for (int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM, SIGTERM, SIGINT})
    std::signal(signal, SIG_DFL);
  prctl(PR_SET_DUMPABLE, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  alarm(static_cast<unsigned>(seconds));
}

// An exception ends the child, as every other crash does.
[[noreturn]] void RunAndExit(absl::FunctionRef<absl::Status(ChildReport*)> body,
                             ChildReport* report) noexcept {
  const absl::Status status = body(report);
  report->Finish(status);
  _exit(0);
}

// The first words that were printed.
std::string Printed(int output) {
  std::string text(kMostOutput, '\0');
  const ssize_t got = pread(output, text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  absl::StripTrailingAsciiWhitespace(&text);
  return text.empty() ? "" : absl::StrCat(": ", text);
}

std::string HowItEnded(int status, const std::string& doing, int seconds) {
  if (!WIFSIGNALED(status))
    return absl::StrCat("exited with code ", WEXITSTATUS(status), " ", doing);
  const int signal = WTERMSIG(status);
  if (signal == SIGALRM) return absl::StrCat("took more than ", seconds, " seconds ", doing);
  return absl::StrCat("crashed ", doing, " (signal ", signal, ", ", strsignal(signal), ")");
}

absl::Status CannotStart(const char* what) {
  return absl::UnavailableError(
      absl::StrCat("cannot be tried: ", what, ": ", std::strerror(errno)));
}

}  // namespace

void ChildReport::SetDoing(const std::string& what) { SetText(what, doing_, sizeof(doing_)); }

void ChildReport::Finish(const absl::Status& status) {
  SetText(std::string(status.message()), error_, sizeof(error_));
  done_ = true;
}

absl::Status RunInChild(int seconds, absl::FunctionRef<absl::Status(ChildReport*)> body) {
  void* shared =
      mmap(nullptr, sizeof(ChildReport), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return CannotStart("mmap");
  const auto unmap = [](ChildReport* report) { munmap(report, sizeof(ChildReport)); };
  const std::unique_ptr<ChildReport, decltype(unmap)> report(new (shared) ChildReport, unmap);
  const int output = memfd_create("output", MFD_CLOEXEC);
  if (output < 0) return CannotStart("memfd_create");
  const pid_t child = fork();
  if (child == 0) {
    Isolate(output, seconds);
    RunAndExit(body, report.get());
  }
  const absl::Status not_forked = child < 0 ? CannotStart("fork") : absl::OkStatus();
  int status = 0;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  const std::string printed = Printed(output);
  close(output);
  if (!not_forked.ok()) return not_forked;
  if (report->done()) return report->status();
  return absl::InvalidArgumentError(HowItEnded(status, report->doing(), seconds) + printed);
}

}  // namespace palimpsest
