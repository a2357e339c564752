#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "program/commands.h"
#include "program/optimizer_text.h"
#include "program/recorded_steps.h"
#include "train/override.h"
#include "train/progress.h"
#include "train/safetensors.h"

namespace palimpsest {
namespace {

class OptimCommandImpl : public Command {
 public:
  std::string name() const override { return "optim"; }
  std::string summary() const override { return "run one optimizer over gradients from a file"; }
  std::string usage() const override {
    return "optim [--optimizer=O --in=FILE --out=FILE [field.path=value ...]] [--markdown]";
  }
  std::string examples() const override {
    return "  palimpsest optim                   which optimizers there are\n"
           "  palimpsest optim --optimizer=adamw --in=x.safetensors --out=y.safetensors\n"
           "  palimpsest optim --optimizer=muon lr=0.02 'schedule={warmup_steps: 2}' ...\n"
           "\n"
           "In: w, the first weights, and the gradient g.<t> of each step t = 1, 2, ...;\n"
           "of a linear layer y = w x, w [out, in], also or instead its inputs x.<t>\n"
           "[tokens, in] and the gradients at its outputs d.<t> [tokens, out], so that\n"
           "g = d^T x. Out: w.<t>, the weights after step t. Several parameters are NAME/w,\n"
           "NAME/g.<t>, ...: groups match NAME. The file's dtype is that of the arithmetic.\n"
           "docs/optimizers.md has the fields.\n";
  }
  void AddFlags(Flags* flags) override {
    flags->Add("optimizer", "O", &optimizer_, "the optimizer")
        .Add("in", "FILE", &in_, "safetensors to read")
        .Add("out", "FILE", &out_, "safetensors to write")
        .Add("markdown", "", &markdown_, "all of them, as docs/optimizers.md has them");
  }

  absl::StatusOr<int> Run(const std::vector<std::string>& overrides) override {
    if (markdown_ || (optimizer_.empty() && in_.empty() && out_.empty() && overrides.empty())) {
      std::fputs((markdown_ ? OptimizersMarkdown() : OptimizerList()).c_str(), stdout);
      return 0;
    }
    if (optimizer_.empty() || in_.empty() || out_.empty())
      return absl::InvalidArgumentError("optim needs --optimizer, --in and --out");
    OptimizerConfig config;
    config.set_name(optimizer_);
    for (const std::string& text : overrides) {
      if (absl::Status s = ApplyOverride(text, &config); !s.ok()) return s;
    }
    const absl::StatusOr<TensorFile> file = ReadSafetensors(in_);
    if (!file.ok()) return file.status();
    const absl::StatusOr<RecordedSteps> recorded = ReadRecordedSteps(in_, file->tensors);
    if (!recorded.ok()) return recorded.status();
    const absl::StatusOr<ReplayResult> result = Replay(*recorded, config);
    if (!result.ok()) return result.status();
    if (absl::Status s = WriteSafetensors(out_, {result->weights, {{"optimizer", config.name()}}});
        !s.ok())
      return s;
    for (const std::string& line : result->summary) std::printf("%s\n", line.c_str());
    std::printf("%zu steps, %lld bytes of state\n", recorded->steps.size(),
                static_cast<long long>(result->state_bytes));
    return 0;
  }

 private:
  std::string optimizer_, in_, out_;
  bool markdown_ = false;
};

}  // namespace

Command& OptimCommand() {
  static OptimCommandImpl command;
  return command;
}

}  // namespace palimpsest
