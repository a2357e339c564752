#include <chrono>
#include <cstdio>

#include "absl/strings/str_join.h"
#include "program/commands.h"
#include "tasks/data.h"
#include "train/config.h"
#include "train/device.h"
#include "train/evaluate.h"
#include "train/load_run.h"
#include "train/training.h"
#include "train/training_loop.h"

namespace palimpsest {
namespace {

class Eval : public Command {
 public:
  std::string name() const override { return "eval"; }
  std::string summary() const override { return "score a trained model on all validation data"; }
  std::string usage() const override { return "eval --run=DIR [field.path=value ...]"; }
  std::string examples() const override {
    return "  palimpsest eval --run=runs/wide\n"
           "  palimpsest eval --run=runs/wide data.bytes.val_path=other.txt\n"
           "\n"
           "field.path=value replaces a field of the run's config.\n";
  }
  void AddFlags(Flags* flags) override {
    flags->Add("run", "DIR", &run_, "the run_dir of a training")
        .Add("device", "NAME", &device_, "cpu or cuda; without, where it was trained")
        .Add("tf32", "", &tf32_, "on cuda, f32 products round their operands to TF32");
  }

  absl::StatusOr<int> Run(const std::vector<std::string>& overrides) override {
    const absl::StatusOr<LoadedRun> run = LoadRun(run_, WithDevice(overrides, device_, tf32_));
    if (!run.ok()) return run.status();
    ApplyProcessLimits(run->config);
    const absl::StatusOr<std::unique_ptr<DataSource>> data =
        MakeDataSource(run->config.data(), run->config.length(), run->config.seed());
    if (!data.ok()) return data.status();
    if (absl::Status s = CheckFitsModel(run->config, (*data)->vocab(), (*data)->longest()); !s.ok())
      return s;
    const auto start = std::chrono::steady_clock::now();
    const Score score = Evaluate(*run->model, **data, run->config.batch());
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const auto tokens = static_cast<double>(score.tokens());
    std::printf("step %lld  %s  %lld labels  %s tok/s\n", static_cast<long long>(run->step),
                absl::StrJoin(ScoreFields(score), "  ").c_str(),
                static_cast<long long>(score.labels()), FormatCount(tokens / seconds).c_str());
    return 0;
  }

 private:
  std::string run_, device_;
  bool tf32_ = false;
};

}  // namespace

Command& EvalCommand() {
  static Eval command;
  return command;
}

}  // namespace palimpsest
