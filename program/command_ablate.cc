#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ablation/slurm.h"
#include "ablation/sweep_dir.h"
#include "ablation/sweep_plan.h"
#include "ablation/sweep_program.h"
#include "ablation/sweep_runner.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/allocator.h"
#include "program/commands.h"
#include "program/program.h"
#include "train/exit_code.h"
#include "train/proto_text.h"
#include "train/stop_signal.h"

namespace palimpsest {
namespace {

absl::StatusOr<OnChange> ParseOnChange(const std::string& flag, const std::string& text) {
  if (text.empty()) return OnChange::kRefuse;
  if (text == "frozen") return OnChange::kFrozen;
  if (text == "new") return OnChange::kNew;
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, ": there is no ", NameAndKnown(text, {"frozen", "new"})));
}

class Ablate : public Command {
 public:
  std::string name() const override { return "ablate"; }
  std::string summary() const override { return "train all rows of an ablation, and compare them"; }
  std::string usage() const override {
    return "ablate --sweep=FILE [--out=DIR] [--jobs=N] [--threads=N] [field.path=value ...]";
  }
  std::string examples() const override {
    return "  palimpsest ablate --sweep=rules.textproto --dry_run\n"
           "  palimpsest ablate --sweep=rules.textproto --out=runs/rules --jobs=4\n"
           "  palimpsest ablate --out=runs/rules\n"
           "  palimpsest ablate --sweep=rules.textproto --slurm --jobs=16 --threads=8\n"
           "\n"
           "A sweep (ablation/sweep.proto) is base configs, axes that are varied, and seeds.\n"
           "Its configs and a copy of this program are frozen in DIR before anything runs.\n"
           "Running it again goes on: what is complete stays, what was begun is resumed.\n"
           "Ctrl-C lets each run finish its step and save, and exits with 75.\n";
  }
  void AddFlags(Flags* flags) override {
    flags->Add("sweep", "FILE", &sweep_, "what to train, in text format (ablation/sweep.proto)")
        .Add("out", "DIR", &out_, "the sweep's folder (runs/ and the sweep file's name)")
        .Add("jobs", "N", &options_.jobs, "runs at a time; 0: one per core")
        .Add("threads", "N", &options_.threads, "threads of each; 0: the cores shared out")
        .Add("dry_run", "", &dry_run_, "list rows and runs, and start nothing")
        .Add("slurm", "", &slurm_, "write a Slurm job array instead of running here")
        .Add("config", "WHICH", &config_, "where the sweep was begun with another: frozen or new")
        .Add("program", "WHICH", &program_, "the same of the program that it was begun with");
  }

  absl::StatusOr<int> Run(const std::vector<std::string>& overrides) override {
    SetOutOfMemoryHandler([](const absl::Status& status) {
      std::_Exit(Fail("palimpsest", status, kExitOutOfMemory));
    });
    const absl::StatusOr<OnChange> config = ParseOnChange("config", config_);
    const absl::StatusOr<OnChange> changed = ParseOnChange("program", program_);
    absl::Status status = config.status();
    status.Update(changed.status());
    status.Update(CheckFlags(overrides));
    if (!status.ok()) return status;
    std::optional<SweepPlan> plan;
    if (!sweep_.empty()) {
      absl::StatusOr<SweepPlan> planned = PlanSweepOf(sweep_, overrides);
      if (!planned.ok()) return planned.status();
      plan = *std::move(planned);
      if (dry_run_) return List(*plan);
    } else if (absl::Status s = CheckHoldsSweep(Out()); !s.ok()) {
      return s;
    }
    const absl::StatusOr<std::unique_ptr<SweepDir>> dir = SweepDir::Open(Out());
    if (!dir.ok()) return dir.status();
    const absl::StatusOr<SweepProgram> program = ThisProgram();
    if (!program.ok()) return program.status();
    status = (*dir)->Prepare(plan.has_value() ? &*plan : nullptr, *program, *config, *changed);
    if (!status.ok()) return status;
    return slurm_ ? Submit(**dir) : Train(dir->get());
  }

 private:
  absl::Status CheckFlags(const std::vector<std::string>& overrides) const {
    if (sweep_.empty() && (dry_run_ || out_.empty()))
      return absl::InvalidArgumentError(
          "what is there to train? give --sweep=FILE, or --out=DIR to go on with a sweep");
    if (sweep_.empty() && !overrides.empty())
      return absl::InvalidArgumentError(absl::StrCat("'", overrides.front(),
                                                     "' would change a sweep that is frozen: give "
                                                     "--sweep=FILE with it"));
    if (options_.jobs < 0 || options_.threads < 0)
      return absl::InvalidArgumentError("--jobs and --threads must be at least 0");
    return absl::OkStatus();
  }

  std::string Out() const {
    if (!out_.empty()) return out_;
    return "runs/" + std::filesystem::path(sweep_).stem().string();
  }

  static int List(const SweepPlan& plan) {
    size_t width = 3;
    for (const SweepPlan::Row& row : plan.rows) width = std::max(width, row.name.size());
    std::printf("%-*s  %-12s  %12s  %12s\n", static_cast<int>(width), "row", "id", "parameters",
                "state bytes");
    for (const SweepPlan::Row& row : plan.rows)
      std::printf("%-*s  %s  %12lld  %12lld\n", static_cast<int>(width), OneLine(row.name).c_str(),
                  row.id.c_str(), static_cast<long long>(row.parameters),
                  static_cast<long long>(row.state_bytes));
    std::printf("%d rows x %d seeds (%s) = %d runs\n", static_cast<int>(plan.rows.size()),
                static_cast<int>(plan.seeds.size()), absl::StrJoin(plan.seeds, ", ").c_str(),
                static_cast<int>(plan.rows.size() * plan.seeds.size()));
    return 0;
  }

  absl::StatusOr<int> Submit(const SweepDir& dir) const {
    const absl::StatusOr<std::string> script = WriteSlurmScript(dir, options_);
    if (!script.ok()) return script.status();
    std::printf("submit with: sbatch %s\nonce it is done: palimpsest ablate --out=%s\n",
                script->c_str(), dir.path().c_str());
    return 0;
  }

  absl::StatusOr<int> Train(SweepDir* dir) const {
    Progress progress(stdout);
    const absl::StatusOr<SweepOutcome> outcome = RunSweep(dir, options_, &progress);
    progress.Clear();
    if (!outcome.ok()) return outcome.status();
    for (const FailedRun& run : outcome->failed) {
      std::printf("\n%s  seed %d: %s; its log is %s\n", OneLine(run.row).c_str(),
                  static_cast<int>(run.seed), run.how.c_str(), run.log.c_str());
      for (const std::string& line : run.last) std::printf("  %s\n", OneLine(line).c_str());
    }
    if (outcome->stopped) {
      std::printf("stopped: %d runs complete, %d left; go on with: palimpsest ablate --out=%s\n",
                  static_cast<int>(outcome->complete), static_cast<int>(outcome->left),
                  dir->path().c_str());
      return kExitStopped;
    }
    if (outcome->complete > 0) {
      std::printf("\n");
      const absl::StatusOr<int> compared = CompareCommand().Run({dir->path()});
      if (!compared.ok()) return compared.status();
    }
    return outcome->failed.empty() ? 0 : 1;
  }

  std::string sweep_, out_, config_, program_;
  SweepOptions options_;
  bool dry_run_ = false, slurm_ = false;
};

}  // namespace

Command& AblateCommand() {
  static Ablate command;
  return command;
}

}  // namespace palimpsest
