#include "ablation/sweep_plan.h"

#include <map>
#include <memory>
#include <utility>

#include "ablation/sweep.h"
#include "absl/strings/str_cat.h"
#include "nn/model.h"
#include "train/config.h"
#include "train/run_id.h"
#include "train/trainer.h"

namespace palimpsest {
namespace {

absl::StatusOr<std::unique_ptr<Trainer>> MakeTrainer(const TrainConfig& config) {
  if (absl::Status s = CheckPlugins(config); !s.ok()) return s;
  return Trainer::Create(config);
}

absl::StatusOr<SweepPlan::Row> PlanRow(const SweepRow& row) {
  const absl::StatusOr<std::unique_ptr<Trainer>> trainer = MakeTrainer(row.config);
  if (!trainer.ok())
    return absl::Status(
        trainer.status().code(),
        absl::StrCat("row \"", row.name, "\": ", std::string(trainer.status().message())));
  LanguageModel& model = (*trainer)->model();
  const TrainConfig& config = (*trainer)->config();
  return SweepPlan::Row{row.name, RunId(config), config, NumParams(model),
                        StateBytes(model, config.length())};
}

}  // namespace

absl::StatusOr<SweepPlan> PlanSweep(const Sweep& sweep, const std::vector<std::string>& overrides) {
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

}  // namespace palimpsest
