#ifndef ABLATION_SWEEP_VIEW_H_
#define ABLATION_SWEEP_VIEW_H_

#include <chrono>
#include <string>
#include <vector>

#include "ablation/sweep_run.h"
#include "train/progress.h"

namespace palimpsest {

// How a sweep goes: on a terminal in a line that is rewritten, elsewhere in one from time to time;
// and a line that stays for each run that ends.
class SweepView {
 public:
  SweepView(const std::vector<SweepRun>& runs, Progress* progress);

  void Update();
  void Complete(const SweepRun& run);
  void Failed(const SweepRun& run, bool again);
  void Print(const std::string& line) { progress_.Print(line); }

 private:
  using Clock = std::chrono::steady_clock;
  std::vector<std::string> Fields() const;
  std::vector<std::string> Named(const std::string& event, const SweepRun& run) const;
  int64_t StepsDone() const;
  double SecondsSinceStart() const;

  const std::vector<SweepRun>& runs_;
  Progress& progress_;
  const Clock::time_point start_ = Clock::now();
  const int64_t steps_before_;  // Done when this process began.
  Clock::time_point last_line_ = start_;
  size_t name_width_ = 0;
};

}  // namespace palimpsest

#endif  // ABLATION_SWEEP_VIEW_H_
