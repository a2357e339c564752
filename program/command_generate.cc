#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "program/commands.h"
#include "train/device.h"
#include "train/generate.h"
#include "train/load_run.h"
#include "train/progress.h"
#include "train/training.h"

namespace palimpsest {
namespace {

class GenerateText : public Command {
 public:
  std::string name() const override { return "generate"; }
  std::string summary() const override { return "continue a prompt, byte by byte"; }
  std::string usage() const override {
    return "generate --run=DIR [--prompt=TEXT] [--tokens=N] ...";
  }
  std::string examples() const override {
    return "  palimpsest generate --run=runs/wide --prompt=\"ROMEO:\" --tokens=300\n"
           "  palimpsest generate --run=runs/wide --temperature=0\n";
  }
  void AddFlags(Flags* flags) override {
    flags->Add("run", "DIR", &run_, "the run_dir of a training")
        .Add("prompt", "TEXT", &prompt_, "what to continue; a newline if empty")
        .Add("tokens", "N", &options_.tokens, "bytes to generate")
        .Add("temperature", "X", &options_.temperature,
             "higher is more varied; 0: the likeliest byte")
        .Add("top_k", "K", &options_.top_k, "choose among the k likeliest bytes; 0: among all")
        .Add("seed", "N", &seed_, "another seed, another text")
        .Add("device", "NAME", &device_, "cpu or cuda; without, where it was trained")
        .Add("tf32", "", &tf32_, "on cuda, f32 products round their operands to TF32");
  }

  absl::StatusOr<int> Run(const std::vector<std::string>& overrides) override {
    const absl::StatusOr<LoadedRun> run = LoadRun(run_, WithDevice(overrides, device_, tf32_));
    if (!run.ok()) return run.status();
    if (prompt_.empty()) prompt_ = std::string(1, '\n');
    if (absl::Status s = Validate(run->config); !s.ok()) return s;
    ApplyProcessLimits(run->config);
    options_.seed = static_cast<uint64_t>(seed_);
    const auto start = std::chrono::steady_clock::now();
    std::fputs(prompt_.c_str(), stdout);
    Generate(*run->model, prompt_, options_,
             [](char c) { return std::fputc(c, stdout) != EOF && std::fflush(stdout) == 0; });
    std::fputc('\n', stdout);
    if (std::fflush(stdout) != 0 || std::ferror(stdout))
      return absl::UnavailableError(absl::StrCat("cannot write to stdout: ", std::strerror(errno)));
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::fprintf(stderr, "%s bytes a second\n",
                 FormatCount(static_cast<double>(options_.tokens) / seconds).c_str());
    return 0;
  }

 private:
  absl::Status Validate(const TrainConfig& config) const {
    if (!config.data().has_bytes() || config.model().vocab_size() != 256)
      return absl::InvalidArgumentError(
          absl::StrCat(run_, " was not trained on bytes: there is no text to generate"));
    if (options_.tokens < 0) return absl::InvalidArgumentError("--tokens must not be negative");
    if (!(options_.temperature >= 0))
      return absl::InvalidArgumentError("--temperature must not be negative");
    if (options_.top_k < 0) return absl::InvalidArgumentError("--top_k must not be negative");
    const int64_t positions = config.model().learned_positions();
    const int64_t room = positions + 1 - static_cast<int64_t>(prompt_.size());
    if (positions > 0 && options_.tokens > std::max<int64_t>(room, 0))
      return absl::InvalidArgumentError(absl::StrCat(
          "the model has ", positions,
          " learned positions (model.learned_positions): with a prompt of ", prompt_.size(),
          prompt_.size() == 1 ? " byte, " : " bytes, ",
          room > 0 ? absl::StrCat("--tokens must be at most ", room) : "no byte can follow"));
    return absl::OkStatus();
  }

  std::string run_, prompt_, device_;
  bool tf32_ = false;
  GenerateOptions options_;
  int64_t seed_ = 0;
};

}  // namespace

Command& GenerateCommand() {
  static GenerateText command;
  return command;
}

}  // namespace palimpsest
