#include "train/run_plan.h"

#include <utility>

#include "train/config.h"
#include "train/config_lengths.h"
#include "train/liveness.h"
#include "train/mup.h"

namespace palimpsest {
namespace {

// Schedules that end with the run.
void FillInTotalSteps(OptimizerConfig* optimizer, int64_t steps) {
  if (optimizer->has_schedule() &&
      optimizer->schedule().kind() != OptimizerConfig::Schedule::CONSTANT &&
      optimizer->schedule().total_steps() == 0)
    optimizer->mutable_schedule()->set_total_steps(steps);
  if (optimizer->has_auxiliary()) FillInTotalSteps(optimizer->mutable_auxiliary(), steps);
  for (OptimizerConfig::Group& group : *optimizer->mutable_group()) {
    if (group.has_set()) FillInTotalSteps(group.mutable_set(), steps);
  }
}

absl::Status PlanData(std::unique_ptr<DataSource> data, RunPlan* plan) {
  TrainConfig& config = plan->config;
  plan->data = std::move(data);
  if (plan->data == nullptr) {
    auto made = MakeDataSource(config.data(), config.length(), config.seed());
    if (!made.ok()) return made.status();
    plan->data = *std::move(made);
  }
  if (!plan->data->Fingerprint().empty())
    config.mutable_data()->set_fingerprint(plan->data->Fingerprint());
  if (config.model().vocab_size() == 0) config.mutable_model()->set_vocab_size(plan->data->vocab());
  return CheckFitsModel(config, plan->data->vocab(), plan->data->longest());
}

absl::Status PlanModel(RunPlan* plan) {
  const TrainConfig& config = plan->config;
  auto model = LanguageModel::CreateUninitialized(config.model(), *ConfigDType(config));
  if (!model.ok()) return model.status();
  plan->model = *std::move(model);
  if (absl::Status s = CheckConvolutions(plan->model->config(), config.length()); !s.ok()) return s;
  return CheckLevelsFire(config);
}

absl::Status PlanOptimizer(RunPlan* plan, const NamedTensors& params) {
  TrainConfig& config = plan->config;
  FillInTotalSteps(config.mutable_optimizer(), config.steps());
  const auto with_mup = MupOptimizer(config.optimizer(), plan->model->config(), params);
  if (!with_mup.ok()) return with_mup.status();
  auto optimizer = Optimizer::Create(*with_mup, params);
  if (!optimizer.ok()) return optimizer.status();
  plan->optimizer = *std::move(optimizer);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RunPlan> PlanRun(const TrainConfig& config, std::unique_ptr<DataSource> data,
                                MemoryCheck check_memory) {
  if (absl::Status s = ValidateConfig(config); !s.ok()) return s;
  RunPlan plan;
  plan.config = config;
  absl::Status status = PlanData(std::move(data), &plan);
  if (status.ok()) status = PlanModel(&plan);
  if (!status.ok()) return status;
  const NamedTensors params = Params(*plan.model);
  plan.need = NeedOf(plan.config, params);
  // Before the optimizer, which makes the state of one parameter to see how large it is.
  if (absl::Status s = check_memory(plan.need, plan.config); !s.ok()) return s;
  if (absl::Status s = PlanOptimizer(&plan, params); !s.ok()) return s;
  plan.need.optimizer = static_cast<double>(plan.optimizer->StateBytes());
  if (absl::Status s = check_memory(plan.need, plan.config); !s.ok()) return s;
  return plan;
}

}  // namespace palimpsest
