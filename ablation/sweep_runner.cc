#include "ablation/sweep_runner.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>
#include <utility>

#include "ablation/run_failure.h"
#include "ablation/sweep_run.h"
#include "ablation/sweep_view.h"
#include "absl/strings/str_cat.h"
#include "core/parallel.h"
#include "train/file.h"
#include "train/stop_signal.h"

namespace palimpsest {
namespace {

using State = SweepRun::State;

constexpr auto kPoll = std::chrono::milliseconds(50);
constexpr int kPollsPerReading = 10;  // Of what runs and other processes are at.
constexpr size_t kLastLines = 4;

class Runner {
 public:
  Runner(SweepDir* dir, std::vector<SweepRun> runs, const SweepOptions& options, Progress* progress)
      : dir_(*dir), runs_(std::move(runs)), progress_(*progress), view_(runs_, progress) {
    const int64_t cores = NumThreads(), left = Count(State::kWaiting);
    jobs_ = options.jobs > 0 ? options.jobs : std::clamp<int64_t>(left, 1, cores);
    threads_ = options.threads > 0 ? options.threads : std::max<int64_t>(1, cores / jobs_);
    for (SweepRun& run : runs_) {
      if (run.state == State::kWaiting) queue_.push_back(&run);
    }
  }

  absl::StatusOr<SweepOutcome> Run() {
    PrintBanner();
    for (const SweepRun& run : runs_) Record(run);
    CatchStopSignals();
    for (int polls = 0; !Over(); ++polls) {
      Stop();
      for (SweepRun& run : runs_) Poll(&run);
      const bool reading = polls % kPollsPerReading == 0;
      if (!stopped_) StartWhatCan();
      for (SweepRun& run : runs_) {
        if (reading && run.state == State::kRunning) ReadStep(&run);
      }
      view_.Update();
      std::this_thread::sleep_for(kPoll);
    }
    progress_.Clear();
    if (!written_.ok()) return written_;
    return Outcome();
  }

 private:
  int64_t Count(State state) const {
    return std::count_if(runs_.begin(), runs_.end(),
                         [&](const SweepRun& run) { return run.state == state; });
  }

  bool Over() const { return Count(State::kRunning) == 0 && (stopped_ || queue_.empty()); }

  void PrintBanner() {
    const SweepManifest& manifest = dir_.manifest();
    const int64_t complete = Count(State::kComplete), failed = Count(State::kFailed);
    progress_.PrintNamed("sweep", absl::StrCat(manifest.title, ": ", manifest.rows.size(),
                                               " rows, ", runs_.size(), " runs"));
    if (complete + failed > 0)
      progress_.PrintNamed("before", absl::StrCat(complete, " complete, ", failed, " not finite"));
    progress_.PrintNamed("program", absl::StrCat("copied, its hash is ", manifest.program));
    progress_.PrintNamed("jobs", absl::StrCat(jobs_, " at a time, ", threads_,
                                              threads_ == 1 ? " thread each" : " threads each"));
    progress_.PrintNamed("folder", dir_.path());
  }

  // Tells what runs to stop once we are told, or nobody sees any more how it goes.
  void Stop() {
    if (stopped_ || (!StopRequested() && progress_.status().ok())) return;
    stopped_ = true;
    for (SweepRun& run : runs_) {
      if (run.job != nullptr) run.job->Signal(SIGTERM);
    }
    if (Count(State::kRunning) > 0)
      view_.Print("stopping: runs finish their step and save; Ctrl-C again ends them");
  }

  void Poll(SweepRun* run) {
    if (run->state != State::kRunning) return;
    const std::optional<int> status = run->job->Poll();
    if (!status.has_value()) return;
    run->job.reset();
    ReadStep(run);
    run->end = ClassifyEnd(*status, OomKills() > run->oom_kills);
    if (run->end == RunEnd::kComplete && !CompleteOnDisk(run)) run->end = RunEnd::kOther;
    if (run->end == RunEnd::kComplete) {
      run->state = State::kComplete;
      view_.Complete(*run);
    } else if (stopped_ && (run->end == RunEnd::kStopped || run->end == RunEnd::kKilled)) {
      run->state = State::kWaiting;
    } else {
      Fail(run);
    }
    Record(*run);
  }

  bool CompleteOnDisk(SweepRun* run) {
    const absl::StatusOr<bool> complete = IsComplete(dir_, *run);
    if (complete.ok() && *complete) return true;
    run->problem = complete.ok() ? "it ended as if it were complete, and left no summary"
                                 : std::string(complete.status().message());
    return false;
  }

  void Fail(SweepRun* run) {
    const bool again =
        ++run->attempts[run->end] <= Retries(dir_.sweep().retries(), run->end) && !stopped_;
    run->state = again ? State::kWaiting : State::kFailed;
    run->alone |= run->end == RunEnd::kOutOfMemory;
    if (again) queue_.push_back(run);
    view_.Failed(*run, again);
  }

  // In order, but for those that others are training. What ran out of memory waits until no other
  // runs.
  void StartWhatCan() {
    for (auto next = queue_.begin(); next != queue_.end() && HasRoomFor(**next);) {
      SweepRun* run = *next;
      if (IsLocked(run->path)) {
        ++next;
        continue;
      }
      next = queue_.erase(next);
      const absl::Status started = Start(run);
      if (!started.ok()) {
        run->problem = std::string(started.message());
        run->end = RunEnd::kOther;
        Fail(run);
        return Record(*run);  // The queue may have changed.
      }
      Record(*run);
    }
  }

  bool HasRoomFor(const SweepRun& run) const {
    const int64_t running = Count(State::kRunning);
    const bool alone = std::any_of(runs_.begin(), runs_.end(), [](const SweepRun& other) {
      return other.state == State::kRunning && other.alone;
    });
    return running == 0 || (running < jobs_ && !run.alone && !alone);
  }

  absl::Status Start(SweepRun* run) {
    const SweepManifest::Run& entry = dir_.manifest().rows[run->row].runs[run->run];
    if (absl::Status s = MakeDirectories(run->path); !s.ok()) return s;
    JobCommand command{.args = TrainArgs(dir_, entry),
                       .directory = dir_.manifest().directory,
                       .log = LogPath(run->path)};
    command.args.push_back(absl::StrCat("threads=", threads_));
    std::error_code none;
    std::filesystem::remove(ExitCodePath(run->path), none);
    run->oom_kills = OomKills();
    absl::StatusOr<std::unique_ptr<Job>> job = Job::Start(command);
    if (!job.ok()) return job.status();
    run->job = *std::move(job);
    run->state = State::kRunning;
    return absl::OkStatus();
  }

  // In the manifest. That it cannot be written now loses nothing: runs say themselves what they
  // are.
  void Record(const SweepRun& run) {
    static constexpr const char* kStates[] = {"waiting", "running", "complete", ""};
    std::string status = kStates[static_cast<int>(run.state)];
    if (run.state == State::kFailed) status = RunEndName(run.end);
    // Begun, if it came to no step that was logged.
    if (run.state == State::kWaiting && FileExists(LogPath(run.path))) status = "stopped";
    const absl::Status written = dir_.SetStatus(run.row, run.run, status);
    if (written_.ok() && !written.ok())
      view_.Print(absl::StrCat("runs go on, but ", std::string(written.message())));
    written_.Update(written);
  }

  SweepOutcome Outcome() const {
    SweepOutcome outcome{.complete = Count(State::kComplete),
                         .left = Count(State::kWaiting),
                         .stopped = stopped_,
                         .failed = {}};
    for (const SweepRun& run : runs_) {
      if (run.state != State::kFailed) continue;
      const std::string log = LogPath(run.path);
      outcome.failed.push_back(
          {run.row_name, run.seed, RunEndName(run.end), log, LastLines(log, kLastLines)});
      if (!run.problem.empty()) outcome.failed.back().last.push_back(run.problem);
    }
    return outcome;
  }

  SweepDir& dir_;
  std::vector<SweepRun> runs_;
  std::vector<SweepRun*> queue_;
  Progress& progress_;
  SweepView view_;
  int64_t jobs_ = 1, threads_ = 1;
  bool stopped_ = false;
  absl::Status written_;  // The first mistake in writing the manifest.
};

}  // namespace

std::vector<std::string> TrainArgs(const SweepDir& dir, const SweepManifest::Run& run) {
  const SweepProgram program = CopiedProgram(dir.path());
  std::vector<std::string> args = {program.path, "train", "--config=" + dir.ConfigPath(run),
                                   "--run_dir=" + dir.RunPath(run), "--resume"};
  for (const std::string& plugin : program.plugins) args.push_back("--plugin=" + plugin);
  return args;
}

absl::StatusOr<SweepOutcome> RunSweep(SweepDir* dir, const SweepOptions& options,
                                      Progress* progress) {
  absl::StatusOr<std::vector<SweepRun>> runs = FindRuns(*dir);
  if (!runs.ok()) return runs.status();
  return Runner(dir, *std::move(runs), options, progress).Run();
}

}  // namespace palimpsest
