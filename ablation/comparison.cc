#include "ablation/comparison.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "train/proto_text.h"

namespace palimpsest {
namespace {

constexpr double kSignificant = 0.05;

std::vector<double> Values(const std::map<uint64_t, double>& by_seed) {
  std::vector<double> values;
  for (const auto& [seed, value] : by_seed) values.push_back(value);
  return values;
}

std::string Runs(int64_t count) { return absl::StrCat(count, count == 1 ? " run" : " runs"); }

// Of many the first few.
template <typename Names>
std::string Some(const Names& names, const char* separator) {
  constexpr size_t kMost = 8;
  std::vector<std::string> some(names.begin(), names.end());
  const size_t more = some.size() - std::min(some.size(), kMost);
  some.resize(some.size() - more);
  return absl::StrCat(absl::StrJoin(some, separator),
                      more == 0 ? "" : absl::StrCat(separator, "and ", more, " more"));
}

ConfigFields DataOf(const RunRow& row) {
  const RunRecord* run = RunWithConfig(row);
  return run == nullptr ? ConfigFields() : EvaluationFields(run->config);
}

class Comparer {
 public:
  Comparer(const RunSet& runs, const Metric& metric, std::string baseline) {
    result_.metric = metric;
    result_.baseline = std::move(baseline);
    const ConfigFields data =
        DataOf(*std::find_if(runs.rows.begin(), runs.rows.end(),
                             [&](const RunRow& row) { return row.name == result_.baseline; }));
    for (const RunRow& row : runs.rows) {
      result_.rows.push_back(Collect(row));
      result_.rows.back().comparable = DataOf(row) == data;
      NoteDifferences(data, DataOf(row));
    }
  }

  bool empty() const {
    return std::all_of(result_.rows.begin(), result_.rows.end(),
                       [](const ComparedRow& r) { return !r.estimate; });
  }

  Comparison Finish() {
    Rank();
    Test();
    AddNotes();
    return std::move(result_);
  }

 private:
  ComparedRow Collect(const RunRow& row) {
    ComparedRow compared{.row = &row};
    for (const RunRecord& run : row.runs) {
      compared.failed += run.status == RunStatus::kFailed;
      compared.unfinished += run.status == RunStatus::kUnfinished;
      if (run.status != RunStatus::kComplete) continue;
      const double value = result_.metric.value(*run.summary);
      if (!std::isfinite(value)) {
        ++compared.not_finite;
      } else if (!compared.values.emplace(run.seed, value).second) {
        result_.notes.push_back(absl::StrCat(row.name, " has seed ", run.seed,
                                             " more than once; only the first of them counts."));
      }
    }
    if (!compared.values.empty()) compared.estimate = EstimateOf(Values(compared.values));
    return compared;
  }

  void Rank() {
    const auto ranked = [](const ComparedRow& r) { return r.comparable && r.values.size() >= 2; };
    auto end = std::stable_partition(result_.rows.begin(), result_.rows.end(), ranked);
    const bool higher = result_.metric.higher_is_better;
    std::stable_sort(result_.rows.begin(), end, [&](const ComparedRow& a, const ComparedRow& b) {
      return higher ? a.estimate->mean > b.estimate->mean : a.estimate->mean < b.estimate->mean;
    });
    int64_t place = 0;
    for (auto row = result_.rows.begin(); row != end; ++row) row->rank = ++place;
  }

  void Test() {
    const ComparedRow* base = nullptr;
    for (const ComparedRow& row : result_.rows) {
      if (row.row->name == result_.baseline) base = &row;
    }
    std::vector<double> chances;
    for (ComparedRow& row : result_.rows) {
      if (&row != base && row.comparable) Hold(*base, &row);
      chances.push_back(row.difference ? row.difference->p : NAN);
    }
    const std::vector<double> holm = HolmAdjusted(chances);
    for (size_t i = 0; i < holm.size(); ++i) {
      ComparedRow& row = result_.rows[i];
      row.p_holm = holm[i];
      if (!(holm[i] < kSignificant)) continue;
      const bool better = (row.difference->mean > 0) == result_.metric.higher_is_better;
      row.verdict = better ? Verdict::kBetter : Verdict::kWorse;
    }
  }

  // Seed by seed where at least two seeds are in both.
  static void Hold(const ComparedRow& base, ComparedRow* row) {
    std::vector<double> a, b;
    for (const auto& [seed, value] : row->values) {
      const auto other = base.values.find(seed);
      if (other == base.values.end()) continue;
      a.push_back(value);
      b.push_back(other->second);
    }
    if (a.size() >= 2) {
      row->pairing = Pairing::kBySeed;
      row->pairs = static_cast<int64_t>(a.size());
      row->difference = PairedDifference(a, b);
    } else if (row->values.size() >= 2 && base.values.size() >= 2) {
      row->pairing = Pairing::kWelch;
      row->difference = WelchDifference(Values(row->values), Values(base.values));
    }
  }

  void NoteDifferences(const ConfigFields& base, const ConfigFields& other) {
    for (const ConfigFields* fields : {&base, &other}) {
      for (const auto& [field, value] : *fields) {
        const auto a = base.find(field), b = other.find(field);
        if (a == base.end() || b == other.end()) {
          differing_.insert(field.substr(0, field.rfind('.')));
        } else if (a->second != b->second) {
          differing_.insert(field);
        }
      }
    }
  }

  void AddNotes() {
    std::vector<std::string> single, unspread, elsewhere;
    int64_t lost = 0, not_finite = 0, tests = 0;
    for (const ComparedRow& row : result_.rows) {
      if (!row.comparable) elsewhere.push_back(row.row->name);
      if (row.comparable && row.values.size() == 1) single.push_back(row.row->name);
      if (row.difference && row.difference->half_width == 0) unspread.push_back(row.row->name);
      lost += row.failed + row.unfinished;
      not_finite += row.not_finite;
      tests += row.difference && !std::isnan(row.difference->p);
    }
    std::vector<std::string>& notes = result_.notes;
    if (!elsewhere.empty())
      notes.push_back(absl::StrCat(
          "Not ranked, for they are scored on other validation data than the baseline (",
          Some(differing_, ", "), "): ", Some(elsewhere, "; "),
          ". Take one of them as the baseline to rank those that share its data."));
    if (!single.empty())
      notes.push_back(absl::StrCat("Not ranked, for one seed says nothing of the spread: ",
                                   Some(single, "; "), ". Train them from more seeds."));
    if (!unspread.empty())
      notes.push_back(absl::StrCat(
          "No p-value, for the differences do not spread at all, which leaves a t-test "
          "nothing to go by: ",
          Some(unspread, "; "), "."));
    if (lost > 0)
      notes.push_back(absl::StrCat(Runs(lost),
                                   " failed or unfinished: the means are over those that ended, "
                                   "and flatter a row that loses its bad runs."));
    if (not_finite > 0)
      notes.push_back(absl::StrCat(Runs(not_finite), " ended with a ", result_.metric.name,
                                   " that is not finite: in no mean."));
    if (tests > 1)
      notes.push_back(absl::StrCat("p is Holm's, of ", tests,
                                   " comparisons together; better and worse stand where it is "
                                   "below 0.05."));
  }

  Comparison result_;
  std::set<std::string> differing_;
};

std::string HowRunsAre(const RunSet& runs) {
  int64_t failed = 0, unfinished = 0;
  std::string problem;
  for (const RunRow& row : runs.rows) {
    for (const RunRecord& run : row.runs) {
      (run.status == RunStatus::kFailed ? failed : unfinished) += 1;
      if (problem.empty() && !run.problem.empty())
        problem = absl::StrCat("; ", run.dir, ": ", run.problem);
    }
  }
  return absl::StrCat(failed, " failed, ", unfinished, " unfinished", problem,
                      runs.sweep_dir.empty() || unfinished == 0
                          ? ""
                          : absl::StrCat("; to go on: palimpsest ablate --out=", runs.sweep_dir));
}

}  // namespace

const std::vector<Metric>& KnownMetrics() {
  static const std::vector<Metric> kMetrics = {
      {.name = "val_loss",
       .title = "Validation loss",
       .unit = "nats a label",
       .value = [](const RunSummary& s) { return s.val_loss; }},
      {.name = "val_accuracy",
       .title = "Validation accuracy",
       .unit = "%",
       .higher_is_better = true,
       .share = true,
       .value = [](const RunSummary& s) { return s.val_accuracy; }},
      {.name = "val_sequence_accuracy",
       .title = "Validation sequences with every label right",
       .unit = "%",
       .higher_is_better = true,
       .share = true,
       .value = [](const RunSummary& s) { return s.val_sequence_accuracy; }},
      {.name = "loss",
       .title = "Loss of the last batch trained on",
       .unit = "nats a label",
       .value = [](const RunSummary& s) { return s.loss; }},
  };
  return kMetrics;
}

absl::StatusOr<Metric> FindMetric(const std::string& name) {
  std::vector<std::string> known;
  for (const Metric& metric : KnownMetrics()) {
    if (metric.name == name) return metric;
    known.push_back(metric.name);
  }
  return absl::InvalidArgumentError(absl::StrCat("there is no metric ", NameAndKnown(name, known)));
}

absl::StatusOr<Comparison> Compare(const RunSet& runs, const Metric& metric,
                                   const std::string& baseline) {
  if (runs.rows.empty()) return absl::NotFoundError("there are no runs to compare");
  std::vector<std::string> names;
  for (const RunRow& row : runs.rows) names.push_back(row.name);
  std::string base = baseline.empty() ? runs.baseline : baseline;
  if (base.empty()) base = names[0];
  if (std::find(names.begin(), names.end(), base) == names.end())
    return absl::NotFoundError(
        absl::StrCat("there is no baseline row ", NameAndKnown(base, names)));
  Comparer comparer(runs, metric, base);
  if (comparer.empty())
    return absl::NotFoundError(
        absl::StrCat("no run is complete with a finite ", metric.name, ": ", HowRunsAre(runs)));
  return comparer.Finish();
}

}  // namespace palimpsest
