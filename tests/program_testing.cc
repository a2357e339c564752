#include "tests/program_testing.h"

#include "train/file_testing.h"

namespace palimpsest {
namespace {

constexpr char kConfig[] = R"(
model {
  width: 16
  block { memory { rule { name: "gated_delta" } heads: 2 } }
}
steps: 6
batch: 2
length: 16
log_every: 1
eval_every: 3
eval_batches: 2
checkpoint_every: 2
optimizer { name: "adamw" lr: 0.01 }
)";

}  // namespace

std::vector<std::string> PalimpsestCommand(const std::vector<std::string>& args) {
  std::vector<std::string> command = {"program/palimpsest"};
  command.insert(command.end(), args.begin(), args.end());
  return command;
}

ProcessResult Palimpsest(const std::vector<std::string>& args) {
  return RunProcess(PalimpsestCommand(args));
}

SmallRun::SmallRun()
    : dir(ScratchDir()), text(dir + "/text"), config(dir + "/config"), run_dir(dir + "/run") {
  std::string words;
  for (int i = 0; i < 100; ++i) words += "the memory maps keys to values. ";
  WriteFile(text, words);
  WriteFile(config, kConfig);
}

std::vector<std::string> SmallRun::TrainArgs(const std::vector<std::string>& more) const {
  std::vector<std::string> args = {"train", "--config=" + config, "--run_dir=" + run_dir,
                                   "data.bytes.path=" + text};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

}  // namespace palimpsest
