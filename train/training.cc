#include "train/training.h"

#include <cmath>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/allocator.h"
#include "core/parallel.h"
#include "train/config.h"
#include "train/liveness.h"
#include "train/model_cost.h"
#include "train/run_dir.h"
#include "train/run_summary.h"
#include "train/stop_signal.h"
#include "train/version.h"

namespace palimpsest {
namespace {

nlohmann::ordered_json ScoreJson(const Score& score) {
  nlohmann::ordered_json json{{"val_loss", score.loss()},
                              {"val_accuracy", score.accuracy()},
                              {"val_sequence_accuracy", score.sequence_accuracy()},
                              {"val_labels", score.labels()}};
  for (const Score::Slice& slice : score.slices()) {
    if (slice.tally.examples() == 0) continue;
    json["val_slices"][slice.name] = slice.tally.accuracy();
    json["val_sequence_slices"][slice.name] = slice.tally.sequence_accuracy();
  }
  return json;
}

class TrainingLoop {
 public:
  // Without `dir` nothing is saved.
  TrainingLoop(Trainer* trainer, RunDir* dir, const std::string& label, Progress* progress)
      : trainer_(*trainer),
        config_(trainer->config()),
        dir_(dir),
        progress_(*progress),
        label_(label) {}

  absl::StatusOr<TrainingResult> Run() {
    if (absl::Status s = Recall(); !s.ok()) return s;
    const bool complete_before = done_;
    while (trainer_.step() < config_.steps() && !done_ && !result_.stopped) {
      if (absl::Status s = RunStep(); !s.ok()) return s;
    }
    if (!result_.stopped && !complete_before) {
      if (absl::Status s = Complete(); !s.ok()) return s;
    }
    progress_.Clear();
    result_.step = trainer_.step();
    result_.steps_done = trainer_.step() - first_step_;
    result_.seconds = throughput_.seconds();
    result_.tokens_per_second = throughput_.tokens_per_second();
    return result_;
  }

 private:
  static bool Due(int64_t step, int64_t every) { return every > 0 && step % every == 0; }

  // What was logged before the run was stopped. The time of steps after the last line is lost.
  absl::Status Recall() {
    if (dir_ == nullptr) return absl::OkStatus();
    const auto line = dir_->LastMetrics("seconds");
    if (!line.ok()) return line.status();
    if (line->is_object()) {
      loss_ = line->value("loss", 0.0);
      const double seconds = line->value("seconds", 0.0);
      throughput_ =
          Throughput(std::llround(seconds * line->value("tokens_per_second", 0.0)), seconds);
    }
    const absl::StatusOr<RunSummary> summary = ReadSummary(dir_->path());
    done_ = summary.ok() && summary->step == trainer_.step() &&
            (summary->step >= config_.steps() || summary->val_accuracy > config_.stop_accuracy());
    // Whoever finds a summary takes the run for complete.
    std::error_code error;
    if (!done_) std::filesystem::remove(RunSummaryPath(dir_->path()), error);
    if (!error) return absl::OkStatus();
    return absl::UnavailableError(
        absl::StrCat("cannot remove ", RunSummaryPath(dir_->path()), ": ", error.message()));
  }

  // Scores everything, unless that was what ended the run, and sums it up.
  absl::Status Complete() {
    if (!done_) {
      if (absl::Status s = Evaluate(/*whole=*/true); !s.ok()) return s;
    }
    if (dir_ == nullptr) return absl::OkStatus();
    return WriteSummary(dir_->path(), {.step = trainer_.step(),
                                       .tokens = trainer_.tokens(),
                                       .loss = loss_,
                                       .val_loss = result_.score.loss(),
                                       .val_accuracy = result_.score.accuracy(),
                                       .seconds = throughput_.seconds(),
                                       .tokens_per_second = throughput_.tokens_per_second(),
                                       .cost = CostOf(trainer_.model(), config_.length()),
                                       .version = Version()});
  }

  absl::Status RunStep() {
    throughput_.Start();
    const int64_t next = trainer_.step() + 1;
    const bool logged = next >= config_.steps() || Due(next, config_.log_every());
    const absl::StatusOr<StepResult> result = trainer_.Step(logged && dir_ != nullptr);
    if (!result.ok()) return result.status();
    throughput_.Stop(config_.batch() * config_.length());
    const int64_t step = result->step;
    const bool last = step >= config_.steps();
    loss_ = result->loss;
    if (absl::Status s = Report(*result, last); !s.ok()) return s;
    // The end is saved before the evaluation of everything, which may take long.
    if (last || Due(step, config_.checkpoint_every())) {
      if (absl::Status s = Save(); !s.ok()) return s;
    }
    if (!last && Due(step, config_.eval_every())) {
      if (absl::Status s = Evaluate(/*whole=*/false); !s.ok()) return s;
    }
    result_.stopped = !last && StopRequested();
    // Nobody would see how it goes on.
    const absl::Status printed = progress_.status();
    if (done_ || result_.stopped || !printed.ok()) {
      if (absl::Status s = Save(); !s.ok()) return s;
    }
    if (printed.ok() || dir_ == nullptr) return printed;
    return absl::UnavailableError(absl::StrCat(std::string(printed.message()),
                                               "; stopped after step ", step,
                                               ", and saved; --resume goes on from there"));
  }

  absl::Status Report(const StepResult& r, bool last) {
    const int64_t tokens_left = (config_.steps() - r.step) * config_.batch() * config_.length();
    std::vector<std::string> fields = Fields(r.step);
    fields.insert(fields.end(), {absl::StrFormat("loss %.4f", r.loss),
                                 absl::StrFormat("lr %.1e", r.learning_rate),
                                 absl::StrFormat("grad %.2f", r.grad_norm),
                                 FormatCount(throughput_.tokens_per_second()) + " tok/s",
                                 FormatBytes(Allocator::Of(Device::kCpu).stats().peak_bytes),
                                 "ETA " + FormatDuration(static_cast<double>(tokens_left) /
                                                         throughput_.tokens_per_second())});
    if (r.skipped > 0) fields.push_back(absl::StrCat(r.skipped, " skipped"));
    progress_.Show(fields);
    for (const std::string& warning : liveness_.See(r.step, r.statistics)) progress_.Print(warning);
    if (!last && !Due(r.step, config_.log_every())) return absl::OkStatus();
    if (!progress_.live()) progress_.PrintFields(fields);
    if (dir_ == nullptr) return absl::OkStatus();
    nlohmann::ordered_json line{{"step", r.step},
                                {"loss", r.loss},
                                {"learning_rate", r.learning_rate},
                                {"grad_norm", r.grad_norm},
                                {"skipped", r.skipped},
                                {"tokens", r.tokens},
                                {"seconds", throughput_.seconds()},
                                {"tokens_per_second", throughput_.tokens_per_second()}};
    if (!r.statistics.empty()) line["statistics"] = r.statistics;
    return dir_->AppendMetrics(line);
  }

  absl::Status Evaluate(bool whole) {
    std::vector<std::string> fields = Fields(trainer_.step());
    if (whole) {
      std::vector<std::string> meanwhile = fields;
      meanwhile.emplace_back("scoring all validation data");
      progress_.ShowNow(meanwhile);
    }
    result_.score = whole ? trainer_.Evaluate() : trainer_.Evaluate(config_.eval_batches());
    if (result_.score.accuracy() > config_.stop_accuracy()) {
      if (!whole) result_.score = trainer_.Evaluate();
      done_ = result_.score.accuracy() > config_.stop_accuracy();
    }
    for (std::string& field : ScoreFields(result_.score)) fields.push_back(std::move(field));
    progress_.PrintFields(fields);
    if (dir_ == nullptr) return absl::OkStatus();
    nlohmann::ordered_json line{{"step", trainer_.step()}};
    line.update(ScoreJson(result_.score));
    return dir_->AppendMetrics(line);
  }

  absl::Status Save() {
    if (dir_ == nullptr || saved_step_ == trainer_.step()) return absl::OkStatus();
    const absl::StatusOr<Checkpoint> checkpoint = trainer_.MakeCheckpoint(Version());
    if (!checkpoint.ok()) return checkpoint.status();
    if (absl::Status s = SaveCheckpoint(dir_->checkpoints(), *checkpoint, config_.keep()); !s.ok())
      return absl::Status(s.code(), absl::StrCat("step ", trainer_.step(), " is not saved: ",
                                                 std::string(s.message()), SavedBefore()));
    saved_step_ = trainer_.step();
    return absl::OkStatus();
  }

  std::string SavedBefore() const {
    if (saved_step_ < 0) return "";
    return absl::StrCat("; --resume goes on from step ", saved_step_);
  }

  std::vector<std::string> Fields(int64_t step) const {
    const std::string of = absl::StrFormat("step %d/%d", step, config_.steps());
    if (label_.empty()) return {of};
    return {label_, of};
  }

  Trainer& trainer_;
  const TrainConfig& config_;
  RunDir* const dir_;
  Progress& progress_;
  const std::string label_;
  const int64_t first_step_ = trainer_.step();
  int64_t saved_step_ = trainer_.step() > 0 ? trainer_.step() : -1;
  Throughput throughput_;
  LivenessWatch liveness_;
  double loss_ = 0;  // Of the last step.
  TrainingResult result_;
  bool done_ = false;  // By what the last evaluation of everything found.
};

void PrintBanner(Trainer* trainer, bool resumed, Progress* progress) {
  const TrainConfig& c = trainer->config();
  const int64_t tokens = c.batch() * c.length();
  progress->Print(progress->Bold("palimpsest") + " " + Version());
  progress->PrintNamed("model",
                       absl::StrCat(FormatCount(NumParams(trainer->model())), " parameters, ",
                                    FormatBytes(StateBytes(trainer->model(), c.length())),
                                    " of state after ", c.length(), " tokens"));
  for (const TrainConfig::Plugin& plugin : c.plugin())
    progress->PrintNamed("plugin",
                         absl::StrCat(absl::StrJoin(plugin.rule(), ", "), " of ", plugin.path()));
  progress->PrintNamed("data", trainer->data().Describe());
  for (const std::string& text : trainer->optimizer().Summary())
    progress->PrintNamed("optim", text);
  progress->PrintNamed("batch", absl::StrFormat("%d x %d = %d tokens, %d steps: %s tokens",
                                                c.batch(), c.length(), tokens, c.steps(),
                                                FormatCount(static_cast<double>(tokens) *
                                                            static_cast<double>(c.steps()))));
  progress->PrintNamed(
      "device", absl::StrCat("cpu, ", NumThreads(), NumThreads() == 1 ? " thread, " : " threads, ",
                             c.dtype()));
  progress->PrintNamed(
      "run", absl::StrCat(c.run_dir(),
                          resumed ? absl::StrCat(", resumed after step ", trainer->step()) : ""));
}

// The newest complete checkpoint into `trainer`; false if none was saved yet.
absl::StatusOr<bool> RestoreNewest(Trainer* trainer, const RunDir& dir, Progress* progress) {
  if (!HasCheckpoints(dir.path())) return false;
  const absl::StatusOr<FoundCheckpoint> found = LatestCheckpoint(dir.checkpoints());
  if (!found.ok()) return found.status();
  for (const std::string& line : found->ignored) progress->Print("ignored  " + line);
  absl::StatusOr<Checkpoint> checkpoint = LoadCheckpoint(found->path);
  if (!checkpoint.ok()) return checkpoint.status();
  const absl::StatusOr<TrainConfig> before = ParseConfigText(checkpoint->config, found->path);
  if (!before.ok()) return before.status();
  if (absl::Status s = CheckSameRun(*before, trainer->config()); !s.ok()) return s;
  if (absl::Status s = trainer->Restore(found->path, *std::move(checkpoint)); !s.ok()) return s;
  return true;
}

}  // namespace

std::vector<std::string> ScoreFields(const Score& score) {
  std::vector<std::string> fields = {
      absl::StrFormat("val loss %.4f (%.3f bits)", score.loss(), score.loss() / std::log(2)),
      absl::StrFormat("accuracy %.1f%%", 100 * score.accuracy())};
  if (score.labels() > score.examples())
    fields.push_back(absl::StrFormat("sequences %.1f%%", 100 * score.sequence_accuracy()));
  for (const Score::Slice& slice : score.slices()) {
    if (slice.tally.examples() > 0)
      fields.push_back(absl::StrFormat("%s %.1f%%", slice.name, 100 * slice.tally.accuracy()));
  }
  return fields;
}

void ApplyProcessLimits(const TrainConfig& config) {
  if (config.threads() > 0) SetNumThreads(config.threads());
  if (config.memory_limit_mb() > 0)
    Allocator::Of(Device::kCpu).SetLimit(config.memory_limit_mb() * 1000000);
}

absl::StatusOr<TrainingResult> RunInMemory(Trainer* trainer, const std::string& label,
                                           Progress* progress) {
  return TrainingLoop(trainer, nullptr, label, progress).Run();
}

absl::StatusOr<TrainingResult> RunTraining(const TrainConfig& config, bool resume,
                                           Progress* progress) {
  if (absl::Status s = ValidateConfig(config); !s.ok()) return s;
  ApplyProcessLimits(config);
  const bool restores = resume && HasCheckpoints(config.run_dir());
  absl::StatusOr<std::unique_ptr<Trainer>> trainer = Trainer::Create(config, nullptr, restores);
  if (!trainer.ok()) return trainer.status();
  absl::StatusOr<std::unique_ptr<RunDir>> dir = RunDir::Open(config.run_dir(), resume);
  if (!dir.ok()) return dir.status();
  bool resumed = false;
  if (resume) {
    const absl::StatusOr<bool> restored = RestoreNewest(trainer->get(), **dir, progress);
    if (!restored.ok()) return restored.status();
    resumed = *restored;
  }
  absl::Status status = (*dir)->WriteConfig(ConfigText((*trainer)->config()), Version());
  if (status.ok()) status = (*dir)->OpenMetrics((*trainer)->step());
  if (!status.ok()) return status;
  CatchStopSignals();
  PrintBanner(trainer->get(), resumed, progress);
  if (absl::Status s = progress->status(); !s.ok()) return s;
  return TrainingLoop(trainer->get(), dir->get(), "", progress).Run();
}

}  // namespace palimpsest
