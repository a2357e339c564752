#include "ablation/sweep_plan.h"

#include <map>
#include <utility>

#include "ablation/comparison.h"
#include "ablation/sweep.h"
#include "absl/strings/str_cat.h"
#include "nn/model.h"
#include "train/config.h"
#include "train/init_from.h"
#include "train/run_id.h"
#include "train/run_plan.h"

namespace palimpsest {
namespace {

// What a run of the row would be refused for, and what it would be.
absl::StatusOr<RunPlan> PlanRow(const TrainConfig& config) {
  if (absl::Status s = CheckPlugins(config); !s.ok()) return s;
  absl::StatusOr<RunPlan> plan = PlanRun(config, nullptr, CheckMemory);
  if (!plan.ok() || config.init_from().empty()) return plan;
  const absl::Status fits = ParamsFrom(config.init_from(), *plan->model).status();
  if (!fits.ok()) return fits;
  return plan;
}

absl::StatusOr<SweepPlan::Row> PlanRow(const SweepRow& row) {
  const absl::StatusOr<RunPlan> plan = PlanRow(row.config);
  if (!plan.ok())
    return absl::Status(
        plan.status().code(),
        absl::StrCat("row \"", row.name, "\": ", std::string(plan.status().message())));
  return SweepPlan::Row{row.name, RunId(plan->config), plan->config, NumParams(*plan->model),
                        StateBytes(*plan->model, plan->config.length())};
}

}  // namespace

absl::StatusOr<SweepPlan> PlanSweep(const Sweep& sweep, const std::vector<std::string>& overrides) {
  if (const absl::Status s = FindMetric(sweep.metric()).status(); !s.ok())
    return absl::Status(s.code(), absl::StrCat("metric: ", std::string(s.message())));
  const absl::StatusOr<std::vector<SweepRow>> rows = ExpandSweep(sweep, overrides);
  if (!rows.ok()) return rows.status();
  SweepPlan plan{.sweep = sweep, .seeds = *SweepSeeds(sweep), .rows = {}};
  std::map<std::string, std::string> names;  // By id.
  for (const SweepRow& row : *rows) {
    absl::StatusOr<SweepPlan::Row> planned = PlanRow(row);
    if (!planned.ok()) return planned.status();
    const auto [same, is_new] = names.emplace(planned->id, row.name);
    if (!is_new)
      return absl::InvalidArgumentError(
          absl::StrCat("rows \"", same->second, "\" and \"", row.name,
                       "\" have the same config: nothing that bears on the result differs"));
    plan.rows.push_back(*std::move(planned));
  }
  return plan;
}

absl::StatusOr<SweepPlan> PlanSweepOf(const std::string& path,
                                      const std::vector<std::string>& overrides) {
  const absl::StatusOr<Sweep> sweep = LoadSweep(path);
  if (!sweep.ok()) return sweep.status();
  absl::StatusOr<SweepPlan> plan = PlanSweep(*sweep, overrides);
  if (plan.ok()) return plan;
  return absl::Status(plan.status().code(),
                      absl::StrCat(path, ": ", std::string(plan.status().message())));
}

}  // namespace palimpsest
