#ifndef ABLATION_COMPARISON_H_
#define ABLATION_COMPARISON_H_

#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ablation/run_set.h"
#include "ablation/statistics.h"
#include "absl/status/statusor.h"

namespace palimpsest {

// A number of each complete run, by which rows are compared.
struct Metric {
  std::string name;   // "val_loss"
  std::string title;  // "Validation loss"
  std::string unit;   // "nats a label", "%"
  bool higher_is_better = false;
  bool share = false;  // Shown in percent; else it is a loss, of which none is below zero.
  double (*value)(const RunSummary& summary) = nullptr;
};
const std::vector<Metric>& KnownMetrics();
// InvalidArgument names those that are known.
absl::StatusOr<Metric> FindMetric(const std::string& name);

enum class Pairing { kNone, kBySeed, kWelch };
enum class Verdict { kNone, kBetter, kWorse };

struct ComparedRow {
  const RunRow* row = nullptr;
  std::map<uint64_t, double> values = {};  // By seed, of complete runs whose metric is finite.
  int64_t failed = 0, unfinished = 0, not_finite = 0;
  std::optional<Estimate> estimate = {};  // Of at least one value.
  // Whether it was scored on the baseline's validation data: of other data a metric is another.
  bool comparable = true;
  int64_t rank = 0;  // From 1, the best; 0: not ranked, for fewer than two values or other data.
  // To the baseline; none of the baseline itself, nor where either side has fewer than two values.
  std::optional<Difference> difference = {};
  Pairing pairing = Pairing::kNone;
  int64_t pairs = 0;    // Seeds in common, where paired.
  double p_holm = NAN;  // Of the difference, Holm's over all rows.
  // Where p_holm is below 0.05, so that the 95% interval leaves out zero.
  Verdict verdict = Verdict::kNone;
};

// Rows from best to worst; then those that are not ranked, in the order they came in. Ranked
// together are those scored on the same data as the baseline.
struct Comparison {
  Metric metric;
  std::string baseline;
  std::vector<ComparedRow> rows;
  std::vector<std::string>
      notes;  // What to know of it: who is not ranked and why, tests, failures.
};

// Points into `runs`. NotFound if no run is complete or the baseline is no row. An empty `baseline`
// is the sweep's, else the first row.
absl::StatusOr<Comparison> Compare(const RunSet& runs, const Metric& metric,
                                   const std::string& baseline);

}  // namespace palimpsest

#endif  // ABLATION_COMPARISON_H_
