#include "tests/subprocess.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace palimpsest {

Process::Process(const std::vector<std::string>& args) {
  err_path_ = testing::TempDir() + "/stderr_XXXXXX";
  const int err = mkstemp(err_path_.data());
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  std::vector<char*> argv;
  for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    dup2(ends[1], STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    // ThreadSanitizer would map a file of its own from there, which a limit on files cuts short.
    setenv("TMPDIR", "/nonexistent", 1);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(ends[1]);
  close(err);
  out_ = ends[0];
}

bool Process::ReadSome() {
  char buffer[4096];
  const ssize_t got = read(out_, buffer, sizeof(buffer));
  if (got > 0) result_.out.append(buffer, got);
  return got > 0;
}

void Process::WaitFor(const std::string& text) {
  while (result_.out.find(text) == std::string::npos && ReadSome()) {
  }
}

void Process::Signal(int signal) const { kill(pid_, signal); }

ProcessResult Process::Wait() {
  while (ReadSome()) {
  }
  close(out_);
  int status = 0;
  waitpid(pid_, &status, 0);
  result_.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  std::ostringstream err;
  err << std::ifstream(err_path_).rdbuf();
  unlink(err_path_.c_str());
  result_.err = err.str();
  return result_;
}

}  // namespace palimpsest
