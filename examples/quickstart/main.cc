// Trains five memories on associative recall and prints who recalls what.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nn/model.h"
#include "program/flags.h"
#include "program/program.h"
#include "tools/cpp/runfiles/runfiles.h"
#include "train/config.h"
#include "train/stop_signal.h"
#include "train/trainer.h"
#include "train/training.h"

namespace palimpsest {
namespace {

using bazel::tools::cpp::runfiles::Runfiles;

constexpr const char* kProgram = "quickstart";
constexpr const char* kModels[] = {"attention", "hebbian", "delta", "gated_delta", "titans_mlp"};
// Enough to see that everything runs; not to learn.
const std::vector<std::string> kShort = {"steps=20", "eval_every=10", "log_every=10",
                                         "data.eval_examples=64",
                                         "optimizer.schedule.warmup_steps=5"};

struct Row {
  std::string model;
  int64_t parameters, state_bytes;
  TrainingResult result;
};

absl::StatusOr<Row> TrainOne(const std::string& name, const std::string& config_path, bool is_short,
                             Progress* progress) {
  const absl::StatusOr<TrainConfig> config =
      LoadConfig(config_path, is_short ? kShort : std::vector<std::string>());
  if (!config.ok()) return config.status();
  absl::StatusOr<std::unique_ptr<Trainer>> trainer = Trainer::Create(*config);
  if (!trainer.ok()) return trainer.status();
  absl::StatusOr<TrainingResult> result = RunInMemory(trainer->get(), name, progress);
  if (!result.ok()) return result.status();
  LanguageModel& model = (*trainer)->model();
  return Row{name, NumParams(model), StateBytes(model, config->length()), *std::move(result)};
}

void PrintTable(const std::vector<Row>& rows) {
  std::printf("\n%-12s %10s %12s %9s %6s %9s %8s\n", "model", "parameters", "state bytes",
              "accuracy", "steps", "tokens/s", "seconds");
  for (const Row& row : rows) {
    std::printf("%-12s %10lld %12lld %8.1f%% %6lld %9s %8.1f\n", row.model.c_str(),
                static_cast<long long>(row.parameters), static_cast<long long>(row.state_bytes),
                100 * row.result.score.accuracy(), static_cast<long long>(row.result.step),
                FormatCount(row.result.tokens_per_second).c_str(), row.result.seconds);
  }
}

int Main(const std::vector<std::string>& args, const std::string& program) {
  bool is_short = false, help = false;
  Flags flags;
  flags.Add("short", "", &is_short, "a few steps of each model: runs everything, learns nothing");
  flags.Add("help", "", &help, "this");
  const absl::StatusOr<std::vector<std::string>> rest = flags.Parse(args);
  if (help) {
    std::fputs(flags.Help().c_str(), stdout);
    return 0;
  }
  if (!rest.ok() || !rest->empty()) {
    const absl::Status problem =
        rest.ok() ? absl::InvalidArgumentError("takes no arguments but flags") : rest.status();
    Fail(kProgram, problem);
    std::fputs(flags.Help().c_str(), stderr);
    return 2;
  }
  std::string error;
  const std::unique_ptr<Runfiles> runfiles(Runfiles::Create(program, &error));
  if (runfiles == nullptr) return Fail(kProgram, absl::NotFoundError(error));
  CatchStopSignals();
  Progress progress(stdout);
  progress.Print(
      "Associative recall (MQAR): 64 tokens show 4 pairs, and ask for each value again.");
  std::vector<Row> rows;
  for (const char* name : kModels) {
    const std::string path =
        runfiles->Rlocation(absl::StrFormat("palimpsest/examples/quickstart/%s.textproto", name));
    const absl::StatusOr<Row> row = TrainOne(name, path, is_short, &progress);
    progress.Clear();
    if (!row.ok()) return Fail(absl::StrCat(kProgram, ": ", name), row.status());
    if (row->result.stopped) return kExitStopped;
    rows.push_back(*row);
  }
  PrintTable(rows);
  return 0;
}

}  // namespace
}  // namespace palimpsest

int main(int argc, char** argv) {
  palimpsest::StartProgram();
  return palimpsest::EndProgram(palimpsest::kProgram,
                                palimpsest::Main({argv + 1, argv + argc}, argv[0]));
}
