// Trains one small model with each optimizer, tunes them alike, and writes a report.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "examples/optimizers/study.h"
#include "program/flags.h"
#include "program/program.h"
#include "tools/cpp/runfiles/runfiles.h"
#include "train/file.h"
#include "train/stop_signal.h"

namespace palimpsest {
namespace {

using bazel::tools::cpp::runfiles::Runfiles;

constexpr const char* kProgram = "optimizers";
// Enough to see that everything runs; not to learn.
const std::vector<std::string> kShort = {"steps=20", "eval_every=5", "log_every=5",
                                         "optimizer.schedule.warmup_steps=5", "batch=4"};

int Main(const std::vector<std::string>& args, const std::string& program) {
  std::string text, optimizers = "adamw,am_adamw,delta_adamw,muon,delta_muon,m3";
  StudyOptions options{.configs = {}, .overrides = {}, .out = "runs/optimizers"};
  bool is_short = false, help = false;
  Flags flags;
  flags.Add("text", "FILE", &text, "what to train on: any file")
      .Add("out", "DIR", &options.out,
           "for runs and report (runs/optimizers); started again, it goes on")
      .Add("optimizers", "O,...", &optimizers, "which, adamw first")
      .Add("seeds", "N", &options.seeds, "of each, once tuned (3)")
      .Add("short", "", &is_short, "a few steps of each: runs everything, learns nothing")
      .Add("help", "", &help, "this");
  const absl::StatusOr<std::vector<std::string>> rest = flags.Parse(args);
  if (help) {
    std::fputs(flags.Help().c_str(), stdout);
    return 0;
  }
  if (!rest.ok()) return Fail(kProgram, rest.status(), 2);
  if (text.empty() || options.seeds < 1)
    return Fail(kProgram, absl::InvalidArgumentError("give --text=FILE, and at least one seed"), 2);
  std::string error;
  const std::unique_ptr<Runfiles> runfiles(Runfiles::Create(program, &error));
  if (runfiles == nullptr) return Fail(kProgram, absl::NotFoundError(error));
  for (const std::string& name : std::vector<std::string>(absl::StrSplit(optimizers, ',')))
    options.configs.emplace_back(name, runfiles->Rlocation(absl::StrFormat(
                                           "palimpsest/examples/optimizers/%s.textproto", name)));
  if (is_short) options.overrides = kShort;
  options.overrides.push_back("data.bytes.path=" + text);
  options.overrides.insert(options.overrides.end(), rest->begin(), rest->end());

  CatchStopSignals();
  Progress progress(stdout);
  const auto studies = RunStudy(options, &progress);
  progress.Clear();
  if (absl::IsCancelled(studies.status())) {
    std::printf("%s\n", std::string(studies.status().message()).c_str());
    return kExitStopped;
  }
  if (!studies.ok()) return Fail(kProgram, studies.status());
  if (absl::Status s = WriteReport(options, *studies); !s.ok()) return Fail(kProgram, s);
  std::printf("the report is %s\n", JoinPath(options.out, "report.md").c_str());
  return 0;
}

}  // namespace
}  // namespace palimpsest

int main(int argc, char** argv) {
  palimpsest::StartProgram();
  return palimpsest::EndProgram(palimpsest::kProgram,
                                palimpsest::Main({argv + 1, argv + argc}, argv[0]));
}
