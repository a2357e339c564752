// Trains six small models twice each on associative recall, and tells who recalls what: an ablation
// of the program `palimpsest`, whose command line it prints.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "program/flags.h"
#include "program/program.h"
#include "tools/cpp/runfiles/runfiles.h"

namespace palimpsest {
namespace {

using bazel::tools::cpp::runfiles::Runfiles;

constexpr const char* kProgram = "quickstart";
// Enough to see that everything runs; not to learn.
const std::vector<std::string> kShort = {"steps=20", "eval_every=10", "log_every=10",
                                         "data.eval_examples=64",
                                         "optimizer.schedule.warmup_steps=5"};

// runs/quickstart in the folder that `bazel run` was called in, or the first of runs/quickstart-2,
// ... that is not there yet.
std::string NewFolder() {
  const char* called_in = std::getenv("BUILD_WORKING_DIRECTORY");
  const std::string first =
      absl::StrCat(called_in == nullptr ? "." : called_in, "/runs/quickstart");
  std::string folder = first;
  for (int i = 2; std::filesystem::exists(folder); ++i) folder = absl::StrCat(first, "-", i);
  return folder;
}

// Becomes `palimpsest ablate`; returns only if it cannot.
int Ablate(const Runfiles& runfiles, bool is_short, std::string out) {
  if (out.empty()) out = NewFolder();
  std::vector<std::string> args = {
      runfiles.Rlocation("palimpsest/program/palimpsest"), "ablate",
      "--sweep=" + runfiles.Rlocation("palimpsest/examples/quickstart/sweep.textproto"),
      "--out=" + out};
  if (is_short) args.insert(args.end(), kShort.begin(), kShort.end());
  std::printf("Associative recall (MQAR): 64 tokens show 4 pairs, and ask for each value again.\n");
  std::printf("palimpsest ablate --sweep=examples/quickstart/sweep.textproto --out=%s%s%s\n\n",
              out.c_str(), is_short ? " " : "", is_short ? absl::StrJoin(kShort, " ").c_str() : "");
  std::fflush(stdout);
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  return Fail(kProgram, absl::UnavailableError(
                            absl::StrCat("cannot run ", args[0], ": ", std::strerror(errno))));
}

int Main(const std::vector<std::string>& args, const std::string& program) {
  bool is_short = false, help = false;
  std::string out;
  Flags flags;
  flags.Add("short", "", &is_short, "a few steps of each model: runs everything, learns nothing")
      .Add("out", "DIR", &out, "where runs and report go (a new folder runs/quickstart)")
      .Add("help", "", &help, "this");
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
  return Ablate(*runfiles, is_short, out);
}

}  // namespace
}  // namespace palimpsest

int main(int argc, char** argv) {
  palimpsest::StartProgram();
  return palimpsest::EndProgram(palimpsest::kProgram,
                                palimpsest::Main({argv + 1, argv + argc}, argv[0]));
}
