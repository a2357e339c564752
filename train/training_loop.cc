#include "train/training_loop.h"

#include <cmath>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/allocator.h"
#include "train/checkpoint.h"
#include "train/model_cost.h"
#include "train/run_summary.h"
#include "train/stop_signal.h"
#include "train/version.h"

namespace palimpsest {
namespace {

bool Due(int64_t step, int64_t every) { return every > 0 && step % every == 0; }

// What was not finite is null in JSON.
double NumberIn(const nlohmann::json& line, const char* field) {
  const auto found = line.find(field);
  return found != line.end() && found->is_number() ? found->get<double>() : NAN;
}

// NaN where it is the accuracy, as each example has one label.
double SequenceAccuracy(const Score& score) {
  return score.labels() > score.examples() ? score.sequence_accuracy() : NAN;
}

nlohmann::ordered_json ScoreLine(int64_t step, const Score& score) {
  nlohmann::ordered_json json{{"step", step},
                              {"val_loss", score.loss()},
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

}  // namespace

TrainingLoop::TrainingLoop(Trainer* trainer, RunDir* dir, std::string label, Progress* progress,
                           std::vector<RunLog*> logs)
    : trainer_(*trainer),
      config_(trainer->config()),
      dir_(dir),
      progress_(*progress),
      label_(std::move(label)),
      logs_(std::move(logs)),
      first_step_(trainer->step()),
      saved_step_(trainer->step() > 0 ? trainer->step() : -1) {}

absl::StatusOr<TrainingResult> TrainingLoop::Run() {
  const absl::Status status = RunAll();
  progress_.Clear();
  result_.step = trainer_.step();
  result_.steps_done = trainer_.step() - first_step_;
  result_.seconds = throughput_.seconds();
  result_.tokens_per_second = throughput_.tokens_per_second();
  absl::StatusOr<TrainingResult> result = result_;
  if (!status.ok()) result = status;
  for (RunLog* log : logs_) {
    const absl::Status logged = log->OnEnd(result);
    if (result.ok() && !logged.ok()) result = logged;
  }
  return result;
}

absl::Status TrainingLoop::RunAll() {
  if (dir_ != nullptr) {
    if (absl::Status s = Recall(); !s.ok()) return s;
  }
  if (done_) return absl::OkStatus();
  // What was saved before it was evaluated.
  if (dir_ != nullptr && !dir_->metrics().evaluated() && first_step_ > 0 && !AtEnd() &&
      Due(first_step_, config_.eval_every())) {
    if (absl::Status s = Evaluate(/*whole=*/false); !s.ok()) return s;
  }
  while (!AtEnd() && !done_ && !result_.stopped) {
    if (absl::Status s = RunStep(); !s.ok()) return s;
  }
  return result_.stopped ? absl::OkStatus() : Finish();
}

// What was logged before the run was stopped. The time of steps after the last line is lost.
absl::Status TrainingLoop::Recall() {
  const absl::StatusOr<RunSummary> summary = ReadSummary(dir_->path());
  done_ = summary.ok() && summary->step == trainer_.step() &&
          (AtEnd() || summary->val_accuracy > config_.stop_accuracy());
  if (absl::Status s = OpenMetrics(); !s.ok() || done_) return s;
  // Whoever finds a summary takes the run for complete.
  std::error_code error;
  std::filesystem::remove(RunSummaryPath(dir_->path()), error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("cannot remove ", RunSummaryPath(dir_->path()), ": ", error.message()));
}

absl::Status TrainingLoop::OpenMetrics() {
  // At the end everything is evaluated, whatever was evaluated before.
  if (absl::Status s = dir_->OpenMetrics(trainer_.step(), AtEnd() && !done_); !s.ok()) return s;
  for (const std::string& line : dir_->metrics().damaged()) progress_.Print("damaged  " + line);
  const nlohmann::json& line = dir_->metrics().last_step();
  if (!line.is_object()) return absl::OkStatus();
  loss_ = NumberIn(line, "loss");
  const double seconds = NumberIn(line, "seconds");
  if (std::isfinite(seconds))
    throughput_ = Throughput(std::llround(seconds * NumberIn(line, "tokens_per_second")), seconds);
  return absl::OkStatus();
}

absl::Status TrainingLoop::RunStep() {
  throughput_.Start();
  const int64_t next = trainer_.step() + 1;
  const bool logged = next >= config_.steps() || Due(next, config_.log_every());
  absl::Status heard;
  const auto tell_logs = [&](const NamedTensors& gradients) {
    for (RunLog* log : logs_) heard.Update(log->OnGradients(next, gradients));
  };
  const bool evaluated = next >= config_.steps() || Due(next, config_.eval_every());
  const absl::StatusOr<StepResult> result =
      trainer_.Step(logged && dir_ != nullptr, evaluated ? tell_logs : Trainer::GradientSink());
  if (!result.ok()) return result.status();
  if (!heard.ok()) return heard;
  // Whoever looks waits for the device; it is not looked at otherwise.
  const bool looks = logged || progress_.Due();
  if (looks) {
    if (absl::Status s = trainer_.Verify(); !s.ok()) return s;
  }
  throughput_.Stop(config_.batch() * config_.length());
  if (looks) {
    if (absl::Status s = Report(*result); !s.ok()) return s;
  }
  // The end is saved before the evaluation of everything, which may take long.
  if (AtEnd() || Due(result->step, config_.checkpoint_every())) {
    if (absl::Status s = Save(); !s.ok()) return s;
  }
  if (!AtEnd() && Due(result->step, config_.eval_every())) {
    if (absl::Status s = Evaluate(/*whole=*/false); !s.ok()) return s;
  }
  if (!AtEnd() && StopRequested()) result_.stopped = true;
  return CheckOutput();
}

// Scores everything, unless that was what ended the run, and sums it up.
absl::Status TrainingLoop::Finish() {
  if (!done_) {
    if (absl::Status s = Evaluate(/*whole=*/true); !s.ok()) return s;
  }
  if (dir_ == nullptr || result_.stopped) return absl::OkStatus();
  // Whoever finds a summary finds all metrics too.
  if (absl::Status s = dir_->metrics().Sync(); !s.ok()) return s;
  return WriteSummary(dir_->path(), {.step = trainer_.step(),
                                     .tokens = trainer_.tokens(),
                                     .loss = loss_,
                                     .val_loss = result_.score.loss(),
                                     .val_accuracy = result_.score.accuracy(),
                                     .val_sequence_accuracy = SequenceAccuracy(result_.score),
                                     .seconds = throughput_.seconds(),
                                     .tokens_per_second = throughput_.tokens_per_second(),
                                     .cost = CostOf(trainer_.model(), config_.length()),
                                     .version = Version()});
}

// Saves when the loop ends here, as it does where nobody would see how it goes on.
absl::Status TrainingLoop::CheckOutput() {
  const absl::Status printed = progress_.status();
  if (done_ || result_.stopped || !printed.ok()) {
    if (absl::Status s = Save(); !s.ok()) return s;
  }
  if (printed.ok() || dir_ == nullptr) return printed;
  return absl::UnavailableError(absl::StrCat(std::string(printed.message()),
                                             "; stopped after step ", trainer_.step(),
                                             ", and saved; --resume goes on from there"));
}

absl::Status TrainingLoop::Report(const StepResult& r) {
  loss_ = r.loss();
  const int64_t tokens_left = (config_.steps() - r.step) * config_.batch() * config_.length();
  std::vector<std::string> fields = Fields(r.step);
  fields.insert(fields.end(),
                {absl::StrFormat("loss %.4f", loss_), absl::StrFormat("lr %.1e", r.learning_rate),
                 absl::StrFormat("grad %.2f", r.grad_norm()),
                 FormatCount(throughput_.tokens_per_second()) + " tok/s",
                 FormatBytes(Allocator::Of(trainer_.device()).stats().peak_bytes),
                 "ETA " + FormatDuration(static_cast<double>(tokens_left) /
                                         throughput_.tokens_per_second())});
  if (const int64_t skipped = r.skipped(); skipped > 0)
    fields.push_back(absl::StrCat(skipped, " skipped"));
  progress_.Show(fields);
  for (const std::string& warning : liveness_.See(r.step, r.statistics)) progress_.Print(warning);
  if (!AtEnd() && !Due(r.step, config_.log_every())) return absl::OkStatus();
  if (!progress_.live()) progress_.PrintFields(fields);
  nlohmann::ordered_json line{{"step", r.step},
                              {"loss", loss_},
                              {"learning_rate", r.learning_rate},
                              {"grad_norm", r.grad_norm()},
                              {"skipped", r.skipped()},
                              {"tokens", r.tokens},
                              {"seconds", throughput_.seconds()},
                              {"tokens_per_second", throughput_.tokens_per_second()}};
  if (!r.statistics.empty()) line["statistics"] = r.statistics;
  return Log(line);
}

absl::Status TrainingLoop::Evaluate(bool whole) {
  if (absl::Status s = trainer_.Verify(); !s.ok()) return s;
  std::vector<std::string> fields = Fields(trainer_.step());
  if (whole) {
    std::vector<std::string> meanwhile = fields;
    meanwhile.emplace_back("scoring all validation data");
    progress_.ShowNow(meanwhile);
  }
  std::optional<Score> score =
      trainer_.EvaluateUnless(StopRequested, whole ? INT64_MAX : config_.eval_batches());
  if (score && score->accuracy() > config_.stop_accuracy()) {
    if (!whole) score = trainer_.EvaluateUnless(StopRequested);
    done_ = score && score->accuracy() > config_.stop_accuracy();
  }
  if (!score) {
    result_.stopped = result_.evaluation_cut = true;
    return absl::OkStatus();
  }
  result_.score = *score;
  for (std::string& field : ScoreFields(*score)) fields.push_back(std::move(field));
  progress_.PrintFields(fields);
  for (RunLog* log : logs_) {
    if (absl::Status s = log->OnEvaluation(trainer_); !s.ok()) return s;
  }
  return Log(ScoreLine(trainer_.step(), *score));
}

absl::Status TrainingLoop::Log(const nlohmann::ordered_json& line) {
  if (dir_ == nullptr) return absl::OkStatus();
  if (absl::Status s = dir_->metrics().Append(line); !s.ok()) return WithAdvice(s, "logged");
  for (RunLog* log : logs_) {
    if (absl::Status s = log->OnLine(line); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::Status TrainingLoop::Save() {
  if (dir_ == nullptr || saved_step_ == trainer_.step()) return absl::OkStatus();
  const absl::StatusOr<Checkpoint> checkpoint = trainer_.MakeCheckpoint(Version());
  if (!checkpoint.ok()) return checkpoint.status();
  // So that the metrics of all steps up to a checkpoint's are there when it is.
  absl::Status status = dir_->metrics().Sync();
  if (status.ok()) status = SaveCheckpoint(dir_->checkpoints(), *checkpoint);
  if (!status.ok()) return WithAdvice(status, "saved");
  saved_step_ = trainer_.step();
  const absl::Status pruned =
      PruneCheckpoints(dir_->checkpoints(), saved_step_, {config_.keep(), config_.keep_every()});
  if (!pruned.ok()) progress_.Print("warning  " + std::string(pruned.message()));
  return absl::OkStatus();
}

// Of a step that could not be `done`: what that means, and what to do.
absl::Status TrainingLoop::WithAdvice(const absl::Status& status, const char* done) const {
  const std::string from =
      saved_step_ < 0 ? "begins again" : absl::StrCat("goes on from step ", saved_step_);
  return absl::Status(status.code(), absl::StrCat("step ", trainer_.step(), " is not ", done, ": ",
                                                  std::string(status.message()),
                                                  "; once that is mended, --resume ", from));
}

std::vector<std::string> TrainingLoop::Fields(int64_t step) const {
  const std::string of = absl::StrFormat("step %d/%d", step, config_.steps());
  if (label_.empty()) return {of};
  return {label_, of};
}

std::vector<std::string> ScoreFields(const Score& score) {
  std::vector<std::string> fields = {
      absl::StrFormat("val loss %.4f (%.3f bits)", score.loss(), score.loss() / std::log(2)),
      absl::StrFormat("accuracy %.1f%%", 100 * score.accuracy())};
  if (!std::isnan(SequenceAccuracy(score)))
    fields.push_back(absl::StrFormat("sequences %.1f%%", 100 * SequenceAccuracy(score)));
  for (const Score::Slice& slice : score.slices()) {
    if (slice.tally.examples() > 0)
      fields.push_back(absl::StrFormat("%s %.1f%%", slice.name, 100 * slice.tally.accuracy()));
  }
  return fields;
}

}  // namespace palimpsest
