#include "ablation/sweep_view.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "train/run_summary.h"

namespace palimpsest {
namespace {

using State = SweepRun::State;

constexpr auto kLineInterval = std::chrono::seconds(60);

}  // namespace

SweepView::SweepView(const std::vector<SweepRun>& runs, Progress* progress)
    : runs_(runs), progress_(*progress), steps_before_(StepsDone()) {
  for (const SweepRun& run : runs) name_width_ = std::max(name_width_, run.row_name.size());
}

void SweepView::Update() {
  if (progress_.live()) return progress_.Show(Fields());
  if (Clock::now() - last_line_ < kLineInterval) return;
  last_line_ = Clock::now();
  progress_.PrintFields(Fields());
}

void SweepView::Complete(const SweepRun& run) {
  std::vector<std::string> fields = Named("done", run);
  if (const absl::StatusOr<RunSummary> summary = ReadSummary(run.path); summary.ok()) {
    fields.push_back(absl::StrFormat("val_loss %.4f", summary->val_loss));
    fields.push_back(absl::StrFormat("val_accuracy %.1f%%", 100 * summary->val_accuracy));
    fields.push_back(absl::StrCat(summary->step, " steps in ", FormatDuration(summary->seconds)));
  }
  progress_.PrintFields(fields);
}

void SweepView::Failed(const SweepRun& run, bool again) {
  std::vector<std::string> fields = Named("failed", run);
  fields.push_back(RunEndName(run.end));
  if (run.step > 0) fields.push_back(absl::StrCat("after step ", run.step));
  if (again) fields.push_back("to be tried again");
  progress_.PrintFields(fields);
}

std::vector<std::string> SweepView::Named(const std::string& event, const SweepRun& run) const {
  return {absl::StrFormat("%-6s", event),
          absl::StrFormat("%-*s", static_cast<int>(name_width_), run.row_name),
          absl::StrCat("seed ", run.seed)};
}

int64_t SweepView::StepsDone() const {
  int64_t steps = 0;
  for (const SweepRun& run : runs_)
    steps += run.state == State::kComplete || run.state == State::kFailed ? run.steps : run.step;
  return steps;
}

double SweepView::SecondsSinceStart() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

std::vector<std::string> SweepView::Fields() const {
  std::map<State, int> count;
  int64_t steps = 0;
  for (const SweepRun& run : runs_) ++count[run.state], steps += run.steps;
  const int64_t done = StepsDone(), since_start = done - steps_before_;
  const double seconds_left =
      SecondsSinceStart() * static_cast<double>(steps - done) / static_cast<double>(since_start);
  std::vector<std::string> fields = {
      absl::StrCat(count[State::kComplete], "/", runs_.size(), " done")};
  if (count[State::kFailed] > 0) fields.push_back(absl::StrCat(count[State::kFailed], " failed"));
  if (count[State::kRunning] > 0)
    fields.push_back(absl::StrCat(count[State::kRunning], " running"));
  else if (count[State::kWaiting] > 0)
    fields.push_back("waiting for another process to end");
  if (since_start > 0) fields.push_back("ETA " + FormatDuration(seconds_left));
  for (const SweepRun& run : runs_) {
    if (run.state == State::kRunning)
      fields.push_back(absl::StrFormat("[%s s%d %d/%d %.3f]", run.row_name, run.seed, run.step,
                                       run.steps, run.loss));
  }
  return fields;
}

}  // namespace palimpsest
