#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/allocator.h"
#include "memory_rules/plugin.h"
#include "program/commands.h"
#include "program/program.h"
#include "train/config.h"
#include "train/device.h"
#include "train/exit_code.h"
#include "train/run_config.h"
#include "train/stop_signal.h"
#include "train/training.h"

namespace palimpsest {
namespace {

class Train : public Command {
 public:
  std::string name() const override { return "train"; }
  std::string summary() const override { return "train a model, or go on training one"; }
  std::string usage() const override {
    return "train --config=FILE [--run_dir=DIR] [--resume] [field.path=value ...]";
  }
  std::string examples() const override {
    return "  palimpsest train --config=my.textproto data.bytes.path=text.txt\n"
           "  palimpsest train --config=my.textproto --run_dir=runs/wide model.width=256\n"
           "  palimpsest train --config=titans/mac.textproto --config=sizes/67m.textproto\n"
           "  palimpsest train --run_dir=runs/wide --resume\n"
           "\n"
           "field.path=value replaces a field of the config; nn/model.proto and\n"
           "optim/optimizer.proto have the rest of them.\n"
           "Ctrl-C finishes the step, saves, and exits with 75; --resume then goes on to\n"
           "the same bits.\n";
  }
  void AddFlags(Flags* flags) override {
    flags
        ->Add("config", "FILE", &configs_,
              "what to train (train/config.proto); later files go on top")
        .Add("run_dir", "DIR", &run_dir_, "where config, metrics and checkpoints go")
        .Add("device", "NAME", &device_, "cpu or cuda; without, as the config says")
        .Add("tf32", "", &tf32_, "on cuda, f32 products round their operands to TF32")
        .Add("resume", "", &resume_, "go on from the newest checkpoint; start if there is none");
  }

  absl::StatusOr<int> Run(const std::vector<std::string>& rest) override {
    absl::StatusOr<TrainConfig> config = Config(rest);
    if (!config.ok()) return config.status();
    if (absl::Status s = CheckAndRecordPlugins(&*config); !s.ok()) return s;
    Progress progress(stdout);
    SetOutOfMemoryHandler([&](const absl::Status& status) {
      progress.Clear();
      std::_Exit(Fail("palimpsest", status, kExitOutOfMemory));
    });
    const absl::StatusOr<TrainingResult> result = RunTraining(*config, resume_, &progress);
    progress.Clear();
    // Of all that goes wrong in training, numbers that are not finite alone are internal errors,
    // and what needs more memory than there is alone is out of range.
    if (absl::IsInternal(result.status()))
      return Fail("palimpsest", result.status(), kExitNotFinite);
    if (absl::IsOutOfRange(result.status()))
      return Fail("palimpsest", result.status(), kExitOutOfMemory);
    if (!result.ok()) return result.status();
    const std::string& run = config->run_dir();
    if (result->evaluation_cut) {
      std::printf(
          "stopped in the evaluation after step %d, which is saved; to have it made: palimpsest "
          "train --run_dir=%s --resume\n",
          static_cast<int>(result->step), run.c_str());
      return kExitStopped;
    }
    if (result->stopped) {
      std::printf(
          "stopped after step %d, and saved; go on with: palimpsest train --run_dir=%s --resume\n",
          static_cast<int>(result->step), run.c_str());
      return kExitStopped;
    }
    if (result->steps_done == 0) {
      std::printf(
          "complete: %d steps; to train longer: palimpsest train --run_dir=%s --resume steps=N\n",
          static_cast<int>(result->step), run.c_str());
      return 0;
    }
    std::printf("done in %s at %s tok/s; saved in %s\n", FormatDuration(result->seconds).c_str(),
                FormatCount(result->tokens_per_second).c_str(), run.c_str());
    return 0;
  }

 private:
  absl::StatusOr<TrainConfig> Config(std::vector<std::string> overrides) const {
    overrides = WithDevice(std::move(overrides), device_, tf32_);
    if (!run_dir_.empty()) overrides.push_back("run_dir=" + run_dir_);
    if (!configs_.empty()) return LoadConfig(configs_, overrides);
    if (resume_ && !run_dir_.empty()) {
      absl::StatusOr<RunConfig> run = LoadRunConfig(run_dir_, overrides);
      if (!run.ok())
        return absl::Status(run.status().code(),
                            absl::StrCat(std::string(run.status().message()),
                                         "; give --config=FILE, as when the run was started"));
      if (!run->damaged.empty()) std::printf("damaged  %s\n", run->damaged.c_str());
      return run->config;
    }
    return absl::InvalidArgumentError(
        "what is there to train? give --config=FILE, or --run_dir=DIR --resume to go on with a "
        "run");
  }

  // Replaces the plugins that the config names, all of which are to be there, by those that the
  // model's rules come from.
  absl::Status CheckAndRecordPlugins(TrainConfig* config) const {
    if (absl::Status s = CheckPlugins(*config); !s.ok()) return s;
    if (resume_) {
      const absl::StatusOr<RunConfig> before = LoadRunConfig(config->run_dir(), {});
      if (before.ok()) {
        if (absl::Status s = CheckPlugins(before->config); !s.ok()) return s;
      }
    }
    std::set<std::string> used;
    for (const ModelConfig::Block& block : config->model().block()) {
      used.insert(block.memory().rule().name());
      used.insert(block.titans().memory().rule().name());
    }
    config->clear_plugin();
    for (const Plugin& plugin : LoadedPlugins()) {
      TrainConfig::Plugin record;
      record.set_path(plugin.path);
      for (const std::string& rule : plugin.rules) {
        if (used.contains(rule)) record.add_rule(rule);
      }
      if (record.rule_size() > 0) *config->add_plugin() = std::move(record);
    }
    return absl::OkStatus();
  }

  std::vector<std::string> configs_;
  std::string run_dir_, device_;
  bool resume_ = false, tf32_ = false;
};

}  // namespace

Command& TrainCommand() {
  static Train command;
  return command;
}

}  // namespace palimpsest
