#include "program/program.h"

#include <fcntl.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace palimpsest {

void StartProgram() {
  int fd = 0;
  while ((fd = open("/dev/null", O_RDONLY)) >= 0 && fd <= STDERR_FILENO) {
  }
  if (fd >= 0) close(fd);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

std::string OneLine(const std::string& text) {
  constexpr size_t kLongest = 2000;
  std::string line;
  for (unsigned char c : text) {
    if (std::isspace(c)) {
      if (!line.empty() && line.back() != ' ') line.push_back(' ');
    } else if (std::iscntrl(c)) {
      absl::StrAppendFormat(&line, "\\x%02x", c);
    } else {
      line.push_back(static_cast<char>(c));
    }
    if (line.size() >= kLongest) return line + " ...";
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

int Fail(const std::string& program, const absl::Status& status, int code) {
  std::fprintf(stderr, "%s: %s\n", program.c_str(), OneLine(std::string(status.message())).c_str());
  return code;
}

int EndProgram(const std::string& program, int code) {
  errno = 0;
  const bool written = std::fflush(stdout) == 0 && !std::ferror(stdout);
  if (written || code != 0) return code;
  const std::string why = errno == 0 ? "" : absl::StrCat(": ", std::strerror(errno));
  return Fail(program, absl::UnavailableError("cannot write to stdout" + why));
}

}  // namespace palimpsest
