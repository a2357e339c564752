#include <algorithm>
#include <cmath>
#include <memory>

#include "ablation/statistics.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "examples/optimizers/study.h"
#include "nn/model.h"
#include "report/plot.h"
#include "train/atomic_file.h"
#include "train/config.h"
#include "train/file.h"
#include "train/trainer.h"
#include "train/version.h"

namespace palimpsest {
namespace {

double LastLoss(const LossCurve& run) { return run.losses.back(); }

bool Diverged(const OptimizerStudy& study) {
  return std::any_of(study.runs.begin(), study.runs.end(),
                     [](const LossCurve& run) { return !std::isfinite(LastLoss(run)); });
}

template <typename Fn>
Estimate OverRuns(const OptimizerStudy& study, Fn value) {
  std::vector<double> values;
  for (size_t i = 0; i < study.runs.size(); ++i) values.push_back(value(study.runs[i], i));
  return EstimateOf(values);
}

// "12.1 ± 0.3"; without an interval, "12.1".
std::string PlusMinus(const char* format, double value, double more) {
  const auto text = [&](double x) { return absl::StrFormat(absl::ParsedFormat<'f'>(format), x); };
  return std::isfinite(more) ? absl::StrCat(text(value), " ± ", text(more)) : text(value);
}

// A mean over seeds, a band of their deviation.
PlotSeries LossSeries(const OptimizerStudy& study) {
  PlotSeries series{study.name, study.runs[0].steps, {}, {}};
  for (size_t i = 0; i < series.x.size(); ++i) {
    std::vector<double> losses;
    for (const LossCurve& run : study.runs) {
      const std::vector<double>& own = run.losses;
      losses.push_back(i < own.size() ? own[i] : INFINITY);
    }
    const Estimate e = EstimateOf(losses);
    series.y.push_back(e.mean);
    series.deviation.push_back(e.deviation);
  }
  return series;
}

// Against the share of the best rate, so that one axis serves all.
PlotSeries TuningSeries(const OptimizerStudy& study) {
  PlotSeries series{study.name, {}, {}};
  for (const auto& [rate, loss] : study.tuning) {
    series.x.push_back(rate / study.learning_rate);
    series.y.push_back(loss);
  }
  return series;
}

std::string Row(const OptimizerStudy& study, const OptimizerStudy& base) {
  const std::string name = absl::StrCat("| ", study.name, " | ", study.learning_rate, " | ");
  const std::string memory = absl::StrFormat("%.2f MB |\n", study.state_bytes / 1e6);
  if (Diverged(study)) return absl::StrCat(name, "diverged | | | | ", memory);
  const Estimate loss = OverRuns(study, [](const LossCurve& r, size_t) { return LastLoss(r); });
  std::string saved = "-";
  if (&study != &base && !Diverged(base)) {
    const Estimate e = OverRuns(
        study, [&](const LossCurve& r, size_t i) { return 100 * StepsSaved(r, base.runs[i]); });
    saved = PlusMinus("%.1f", e.mean, e.half_width) + " %";
  }
  return absl::StrCat(name, PlusMinus("%.4f", loss.mean, loss.deviation), " | ", saved, " | ",
                      absl::StrFormat("%.1f | %.2f", 1000 * study.seconds_per_step,
                                      study.seconds_per_step / base.seconds_per_step),
                      " | ", memory);
}

// The tables' columns, and how the numbers were made.
std::string Protocol(const TrainConfig& config, int64_t params, const std::string& data,
                     int64_t seeds) {
  return absl::StrCat(
      "A byte-level model of ", params, " parameters, ", config.steps(), " steps of ",
      config.batch(), " x ", config.length(), " bytes (", data, "). palimpsest ", Version(),
      ".\n\nLearning rates are tuned by one rule for all: the config's, half and twice it, and on "
      "by factors of two until the best is not at an end, each for ",
      config.steps() / 2, " steps from seed 0, judged by the validation loss. With the best, ",
      seeds,
      " seeds from 1 on; one seed is the same first values and the same batches for every "
      "optimizer. What is no hidden matrix is trained by AdamW at adamw's best rate where an "
      "optimizer is one of matrices.\n\n"
      "- val loss: nats a byte on all validation data after the last step; mean and deviation "
      "over seeds.\n"
      "- steps saved: 1 - (its steps / adamw's) to the lowest validation loss that both reach, "
      "seed by seed; mean and 95% interval (Student's t over seeds). Negative: it needs more.\n"
      "- ms a step, and against adamw's: the least of ten rounds of five steps, in which the "
      "optimizers take turns.\n"
      "- state: what the optimizer keeps.\n");
}

}  // namespace

absl::Status WriteReport(const StudyOptions& options, const std::vector<OptimizerStudy>& studies) {
  const absl::StatusOr<TrainConfig> config =
      LoadConfig(options.configs[0].second, options.overrides);
  if (!config.ok()) return config.status();
  const absl::StatusOr<std::unique_ptr<Trainer>> trainer = Trainer::Create(*config);
  if (!trainer.ok()) return trainer.status();

  Plot loss{.title = "Validation loss, mean and deviation over seeds",
            .x = {"step"},
            .y = {"nats a byte"},
            .series = {}};
  Plot tuning{.title = "Validation loss by learning rate",
              .x = {"learning rate / best", AxisScale::kLog2},
              .y = {"nats a byte"},
              .series = {}};
  std::string text =
      absl::StrCat("# Optimizers on text\n\n",
                   Protocol(*config, NumParams((*trainer)->model()), (*trainer)->data().Describe(),
                            options.seeds),
                   "\n| optimizer | lr | val loss | steps saved | ms a step | ratio | state |\n"
                   "|---|---:|---:|---:|---:|---:|---:|\n");
  for (const OptimizerStudy& study : studies) {
    text += Row(study, studies[0]);
    loss.series.push_back(LossSeries(study));
    tuning.series.push_back(TuningSeries(study));
  }
  text += "\n![Validation loss by step](loss.svg)\n\n![By learning rate](learning_rate.svg)\n";
  absl::Status status = WriteFileAtomically(JoinPath(options.out, "loss.svg"), PlotSvg({loss}));
  status.Update(WriteFileAtomically(JoinPath(options.out, "learning_rate.svg"), PlotSvg({tuning})));
  status.Update(WriteFileAtomically(JoinPath(options.out, "report.md"), text));
  return status;
}

}  // namespace palimpsest
