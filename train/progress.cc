#include "train/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace palimpsest {
namespace {

constexpr auto kRedrawInterval = std::chrono::milliseconds(100);
constexpr int kUsualWidth = 80, kEndless = 1 << 20, kNameWidth = 9;

bool IsTerminal(FILE* out) {
  const char* term = std::getenv("TERM");
  return isatty(fileno(out)) && term != nullptr && std::string_view(term) != "dumb";
}

bool WantsColor() {
  const char* no_color = std::getenv("NO_COLOR");
  return no_color == nullptr || *no_color == '\0';
}

}  // namespace

std::string FormatCount(double count) {
  static constexpr const char* kUnits[] = {"", "k", "M", "G", "T"};
  size_t unit = 0;
  // What %.1f would round to 1000.0 is one of the next unit.
  while (count >= (unit == 0 ? 1000 : 999.95) && unit + 1 < std::size(kUnits))
    count /= 1000, ++unit;
  if (unit == 0) return absl::StrFormat("%.0f", count);
  return absl::StrFormat("%.1f%s", count, kUnits[unit]);
}

std::string FormatBytes(int64_t bytes) {
  if (bytes < 1000) return absl::StrCat(bytes, " B");
  if (bytes < 1000000) return absl::StrFormat("%.1f kB", bytes / 1e3);
  if (bytes < 1000000000) return absl::StrFormat("%.0f MB", bytes / 1e6);
  return absl::StrFormat("%.1f GB", bytes / 1e9);
}

std::string FormatDuration(double seconds) {
  if (!std::isfinite(seconds) || seconds > 1e9) return "-";
  const int64_t s = std::llround(std::max(0.0, seconds));
  if (s < 3600) return absl::StrFormat("%d:%02d", s / 60, s % 60);
  return absl::StrFormat("%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
}

// A line as wide as the terminal would wrap the cursor: one column stays free.
int TerminalWidth(FILE* out) {
  if (!IsTerminal(out)) return kEndless;
  winsize size = {};
  const bool known = ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  return (known ? size.ws_col : kUsualWidth) - 1;
}

std::string FitFields(const std::vector<std::string>& fields, int width) {
  std::string line;
  for (const std::string& field : fields) {
    const size_t length = line.size() + field.size() + (line.empty() ? 0 : 2);
    if (length > static_cast<size_t>(width)) break;
    absl::StrAppend(&line, line.empty() ? "" : "  ", field);
  }
  return line;
}

std::string WrapWords(const std::string& text, int width, int indent) {
  std::string wrapped;
  size_t column = 0;
  for (const std::string& word : std::vector<std::string>(absl::StrSplit(text, ' '))) {
    if (column > 0 && column + 1 + word.size() > static_cast<size_t>(width)) {
      absl::StrAppend(&wrapped, "\n", std::string(indent, ' '));
      column = 0;
    }
    absl::StrAppend(&wrapped, column > 0 ? " " : "", word);
    column += word.size() + (column > 0 ? 1 : 0);
  }
  return wrapped;
}

Progress::Progress(FILE* out) : out_(out), live_(IsTerminal(out)), color_(live_ && WantsColor()) {}

bool Progress::Due() const {
  return live_ && (!shown_ || std::chrono::steady_clock::now() - last_ >= kRedrawInterval);
}

void Progress::Show(const std::vector<std::string>& fields) {
  if (!Due()) return;
  last_ = std::chrono::steady_clock::now();
  ShowNow(fields);
}

void Progress::ShowNow(const std::vector<std::string>& fields) {
  if (!live_) return;
  shown_ = true;
  std::fprintf(out_, "\r%s\x1b[K", FitFields(fields, TerminalWidth(out_)).c_str());
  Flush();
}

void Progress::PrintFields(const std::vector<std::string>& fields) {
  Print(FitFields(fields, TerminalWidth(out_)));
}

void Progress::Print(const std::string& line) {
  Erase();
  std::fprintf(out_, "%s\n", line.c_str());
  Flush();
}

void Progress::PrintNamed(const std::string& name, const std::string& text) {
  const int width = (live_ ? TerminalWidth(out_) : kUsualWidth) - kNameWidth;
  Print(absl::StrFormat("%-*s%s", kNameWidth, name, WrapWords(text, width, kNameWidth)));
}

void Progress::Erase() {
  if (shown_) std::fputs("\r\x1b[K", out_);
  shown_ = false;
}

void Progress::Clear() {
  Erase();
  Flush();
}

void Progress::Flush() {
  if (std::fflush(out_) != 0 && error_ == 0) error_ = errno;
}

absl::Status Progress::status() const {
  if (error_ == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("cannot write to stdout: ", std::strerror(error_)));
}

std::string Progress::Bold(const std::string& text) const {
  return color_ ? absl::StrCat("\x1b[1m", text, "\x1b[0m") : text;
}

}  // namespace palimpsest
