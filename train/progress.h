#ifndef TRAIN_PROGRESS_H_
#define TRAIN_PROGRESS_H_

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace palimpsest {

std::string FormatCount(double count);       // "41.2k"
std::string FormatBytes(int64_t bytes);      // "83 MB"
std::string FormatDuration(double seconds);  // "0:43", "2:05:10"

// Columns that a line may have; without end where `out` is no terminal.
int TerminalWidth(FILE* out);

// As many of the fields, first ones first, as fit into `width` columns, two spaces apart.
std::string FitFields(const std::vector<std::string>& fields, int width);

// `text` broken at spaces into lines of at most `width` columns, those after the first behind
// `indent` spaces. A longer word has a line of its own.
std::string WrapWords(const std::string& text, int width, int indent);

// On a terminal one line that is rewritten in place, between lines that stay; elsewhere only lines
// that stay.
class Progress {
 public:
  explicit Progress(FILE* out);
  ~Progress() { Clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  bool live() const { return live_; }
  // Whether Show would rewrite the line now.
  bool Due() const;
  // Rewrites the live line, at most ten times a second; nothing where there is none.
  void Show(const std::vector<std::string>& fields);
  // The same, however soon after another.
  void ShowNow(const std::vector<std::string>& fields);
  // A line that stays, cut to the terminal's width.
  void PrintFields(const std::vector<std::string>& fields);
  // A line that stays, whole.
  void Print(const std::string& line);
  // A line that stays: a name and, in a column beside it, text that wraps where it does not fit.
  void PrintNamed(const std::string& name, const std::string& text);
  // Removes the live line.
  void Clear();
  // In bold, on a terminal that has it (https://no-color.org).
  std::string Bold(const std::string& text) const;
  // Unavailable once something could not be written.
  absl::Status status() const;

 private:
  void Erase();
  void Flush();

  FILE* const out_;
  const bool live_, color_;
  bool shown_ = false;
  int error_ = 0;  // The first errno of writing.
  std::chrono::steady_clock::time_point last_ = {};
};

// Tokens a second over the time that was spent training.
class Throughput {
 public:
  Throughput() = default;
  // Goes on counting from what a run did before it was stopped.
  Throughput(int64_t tokens, double seconds) : tokens_(tokens), seconds_(seconds) {}
  void Start() { start_ = Clock::now(); }
  void Stop(int64_t tokens) {
    tokens_ += tokens;
    seconds_ += std::chrono::duration<double>(Clock::now() - start_).count();
  }
  double seconds() const { return seconds_; }
  double tokens_per_second() const {
    return seconds_ > 0 ? static_cast<double>(tokens_) / seconds_ : 0;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = {};
  int64_t tokens_ = 0;
  double seconds_ = 0;
};

}  // namespace palimpsest

#endif  // TRAIN_PROGRESS_H_
