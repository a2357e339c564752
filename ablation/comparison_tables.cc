#include "ablation/comparison_tables.h"

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "train/progress.h"

namespace palimpsest {
namespace {

// Text stands to the left.
TableColumn TextColumn(const std::string& key, const std::string& header,
                       const std::string& hint = "", int spare = 0) {
  return {key, header, hint, /*number=*/false, spare};
}

const TableCell kNothing("-", Tone::kQuiet);

// How a metric's numbers are written: shares in percent.
class Numbers {
 public:
  explicit Numbers(const Metric& metric) : share_(metric.share) {}
  TableCell Plain(double value) const { return Cell("%.4f", "%.2f", value); }
  TableCell Signed(double value) const { return Cell("%+.4f", "%+.2f", value); }

 private:
  TableCell Cell(const char* format, const char* percent_format, double value) const {
    if (!std::isfinite(value)) return kNothing;
    const double shown = share_ ? 100 * value : value;
    const absl::ParsedFormat<'f'> parsed(share_ ? percent_format : format);
    const std::string text = absl::StrFormat(parsed, shown);
    const bool rounds_to_zero = text.find_first_of("123456789") == std::string::npos;
    return {rounds_to_zero ? absl::StrFormat(absl::ParsedFormat<'f'>(share_ ? "%.2f" : "%.4f"), 0.0)
                           : text,
            value};
  }
  const bool share_;
};

TableCell Count(int64_t count) { return {absl::StrCat(count), static_cast<double>(count)}; }

TableCell Chance(double p) {
  if (std::isnan(p)) return kNothing;
  return {p < 1e-4 ? "<0.0001" : absl::StrFormat("%.4f", p), p};
}

TableCell TestOf(const ComparedRow& row) {
  switch (row.pairing) {
    case Pairing::kBySeed: return absl::StrCat("paired, ", row.pairs, " seeds");
    case Pairing::kWelch: return std::string("Welch");
    case Pairing::kNone: return kNothing;
  }
  return kNothing;
}

TableCell VerdictOf(const ComparedRow& row, bool is_baseline) {
  if (row.values.empty()) return {"no result", Tone::kBad};
  if (is_baseline) return {"baseline", Tone::kQuiet};
  if (!row.comparable) return {"other data, not ranked", Tone::kQuiet};
  if (row.values.size() == 1) return {"n = 1, not ranked", Tone::kQuiet};
  switch (row.verdict) {
    case Verdict::kBetter: return {"better", Tone::kGood};
    case Verdict::kWorse: return {"worse", Tone::kBad};
    case Verdict::kNone: return {"", Tone::kQuiet};
  }
  return {};
}

std::vector<TableCell> ResultCells(const Comparison& comparison, const ComparedRow& row) {
  const Numbers numbers(comparison.metric);
  const Estimate none{NAN, NAN, NAN};
  const Estimate e = row.estimate.value_or(none);
  const Difference d = row.difference.value_or(Difference{NAN, NAN, NAN, NAN});
  return {row.row->name,
          row.rank > 0 ? Count(row.rank) : kNothing,
          Count(static_cast<int64_t>(row.values.size())),
          Count(static_cast<int64_t>(row.row->runs.size())),
          numbers.Plain(e.mean),
          numbers.Plain(e.half_width),
          numbers.Plain(e.deviation),
          numbers.Signed(d.mean),
          numbers.Plain(d.half_width),
          Chance(row.p_holm),
          TestOf(row),
          VerdictOf(row, row.row->name == comparison.baseline)};
}

// The mean over complete runs; NaN if there are none.
double Mean(const RunRow& row, double (*value)(const RunSummary&)) {
  double sum = 0;
  int count = 0;
  for (const RunRecord& run : row.runs) {
    if (run.summary) sum += value(*run.summary), ++count;
  }
  return count == 0 ? NAN : sum / count;
}

template <typename Fn>
TableCell Shown(double value, Fn text) {
  return std::isfinite(value) ? TableCell(text(value), value) : kNothing;
}

std::vector<TableCell> CostCells(const RunRow& row) {
  const auto bytes = [](double value) { return FormatBytes(std::llround(value)); };
  return {
      Shown(Mean(row, [](const RunSummary& s) { return double(s.cost.parameters); }), FormatCount),
      Shown(Mean(row, [](const RunSummary& s) { return double(s.cost.non_embedding_parameters); }),
            FormatCount),
      Shown(Mean(row, [](const RunSummary& s) { return double(s.cost.state_bytes); }), bytes),
      Shown(Mean(row, [](const RunSummary& s) { return s.cost.flops_per_token; }), FormatCount),
      Shown(Mean(row, [](const RunSummary& s) { return double(s.tokens); }), FormatCount),
      Shown(Mean(row, [](const RunSummary& s) { return s.tokens_per_second; }), FormatCount),
      Shown(Mean(row, [](const RunSummary& s) { return s.seconds; }), FormatDuration)};
}

std::vector<TableCell> RunCells(const RunRow& row, const RunRecord& run) {
  const Numbers loss(*FindMetric("val_loss")), share(*FindMetric("val_accuracy"));
  const Tone tone = run.status == RunStatus::kFailed ? Tone::kBad : Tone::kPlain;
  const RunSummary s = run.summary.value_or(
      RunSummary{.val_loss = NAN, .val_accuracy = NAN, .seconds = NAN, .tokens_per_second = NAN});
  return {row.name,
          Count(static_cast<int64_t>(run.seed)),
          {RunStatusName(run.status), tone},
          Count(run.step),
          loss.Plain(s.val_loss),
          share.Plain(s.val_accuracy),
          share.Plain(s.val_sequence_accuracy),
          Shown(s.tokens_per_second, FormatCount),
          Shown(s.seconds, FormatDuration),
          run.dir};
}

}  // namespace

Table ResultTable(const Comparison& comparison) {
  const Metric& metric = comparison.metric;
  Table table{.title = absl::StrCat(metric.title, ", ", metric.unit, ": ",
                                    metric.higher_is_better ? "higher" : "lower", " is better"),
              .columns = {TextColumn("row", "row"),
                          {.key = "rank", .header = "#", .hint = "By the mean, of rows with n > 1"},
                          {.key = "n", .header = "n", .hint = "Complete runs, a seed each"},
                          {.key = "runs", .header = "of", .hint = "Runs in all", .spare = 3},
                          {.key = "mean", .header = "mean", .hint = "Over seeds"},
                          {.key = "mean_ci95",
                           .header = "± 95%",
                           .hint = "Half the 95% interval of the mean, by Student's t",
                           .spare = 4},
                          {.key = "deviation",
                           .header = "sd",
                           .hint = "Deviation of the sample, with n - 1",
                           .spare = 6},
                          {.key = "difference",
                           .header = "diff",
                           .hint = absl::StrCat("To the baseline, ", comparison.baseline)},
                          {.key = "difference_ci95",
                           .header = "± 95%",
                           .hint = "Half the 95% interval of the difference",
                           .spare = 1},
                          {.key = "p",
                           .header = "p",
                           .hint = "That the difference is zero; two-sided, Holm's over the table",
                           .spare = 2},
                          TextColumn("test", "test", "Student's t, paired by seed, or Welch's", 5),
                          TextColumn("verdict", "", "Where p is below 0.05")},
              .rows = {},
              .notes = comparison.notes};
  for (const ComparedRow& row : comparison.rows) table.rows.push_back(ResultCells(comparison, row));
  return table;
}

Table CostTable(const Comparison& comparison) {
  Table table{
      .title = "Cost",
      .columns = {TextColumn("row", "row"),
                  {.key = "parameters", .header = "params", .hint = "All parameters"},
                  {.key = "non_embedding_parameters",
                   .header = "non-emb.",
                   .hint = "Without the tables of tokens and positions, and the head",
                   .spare = 2},
                  {.key = "state_bytes",
                   .header = "state",
                   .hint = "Of one sequence of the training length, after its last token"},
                  {.key = "flops_per_token",
                   .header = "FLOPs/token",
                   .hint = "Of the forward pass at the training length, unfused"},
                  {.key = "tokens", .header = "tokens", .hint = "Trained on", .spare = 1},
                  {.key = "tokens_per_second", .header = "tok/s", .hint = "Training alone, mean"},
                  {.key = "seconds", .header = "time", .hint = "Training alone, mean"}},
      .rows = {},
      .notes = {}};
  for (const ComparedRow& row : comparison.rows) {
    table.rows.push_back({row.row->name});
    for (TableCell& cell : CostCells(*row.row)) table.rows.back().push_back(std::move(cell));
  }
  return table;
}

Table RunsTable(const RunSet& runs) {
  Table table{.title = "Runs",
              .columns = {TextColumn("row", "row"),
                          {.key = "seed", .header = "seed"},
                          TextColumn("status", "status"),
                          {.key = "step", .header = "step"},
                          {.key = "val_loss", .header = "val loss"},
                          {.key = "val_accuracy", .header = "accuracy, %"},
                          {.key = "val_sequence_accuracy",
                           .header = "sequences, %",
                           .hint = "Those with every label right",
                           .spare = 3},
                          {.key = "tokens_per_second", .header = "tok/s", .spare = 1},
                          {.key = "seconds", .header = "time"},
                          TextColumn("dir", "folder", "", 2)},
              .rows = {},
              .notes = {}};
  for (const RunRow& row : runs.rows) {
    for (const RunRecord& run : row.runs) table.rows.push_back(RunCells(row, run));
  }
  return table;
}

Table LostRunsTable(const RunSet& runs) {
  Table table{.title = "Failed, unfinished and damaged runs",
              .columns = {TextColumn("row", "row"),
                          {.key = "seed", .header = "seed"},
                          TextColumn("status", "status"),
                          {.key = "step", .header = "last step"},
                          TextColumn("problem", "what it says")},
              .rows = {},
              .notes = {}};
  for (const RunRow& row : runs.rows) {
    for (const RunRecord& run : row.runs) {
      if (run.status == RunStatus::kComplete && run.problem.empty()) continue;
      const std::vector<TableCell> cells = RunCells(row, run);
      table.rows.push_back({cells[0], cells[1], cells[2], cells[3], run.problem});
    }
  }
  return table;
}

}  // namespace palimpsest
