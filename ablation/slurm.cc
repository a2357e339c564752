#include "ablation/slurm.h"

#include <filesystem>
#include <vector>

#include "ablation/shell_word.h"
#include "ablation/sweep_run.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "train/atomic_file.h"
#include "train/file.h"

namespace palimpsest {
namespace {

constexpr char kScript[] = R"(#!/bin/bash
# $title: a task for each run that is not complete. Submit with: sbatch $script
# Partition, account, memory and time go on sbatch's command line.
#SBATCH --job-name=palimpsest
#SBATCH --array=0-$last$limit
#SBATCH --cpus-per-task=$threads
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=/dev/null

runs=(
$runs
)
run=${runs[$SLURM_ARRAY_TASK_ID]}
sweep=$sweep
dir=$sweep/runs/$run
mkdir -p "$dir" && cd $directory || exit 1
rm -f "$dir/exit_code"

"$sweep/program" train --config="$sweep/configs/$run.textproto" --run_dir="$dir" --resume$plugins \
  threads="${SLURM_CPUS_PER_TASK:-$threads}" >>"$dir/log" 2>&1 &
pid=$!
trap "kill -TERM $pid" USR1 TERM
# A trapped signal ends a wait, too.
while kill -0 $pid 2>/dev/null; do wait $pid; done
wait $pid
code=$?

case $code in
  0) ;;
  75) scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" ;;
  *) echo $code >"$dir/exit_code" ;;
esac
exit $code
)";

// In a comment.
std::string OneLine(const std::string& text) {
  return absl::StrReplaceAll(text, {{"\n", " "}, {"\r", " "}});
}

}  // namespace

absl::StatusOr<std::string> WriteSlurmScript(const SweepDir& dir, const SweepOptions& options) {
  const absl::StatusOr<std::vector<SweepRun>> runs = FindRuns(dir);
  if (!runs.ok()) return runs.status();
  std::vector<std::string> names;
  for (const SweepRun& run : *runs) {
    if (run.state == SweepRun::State::kWaiting)
      names.push_back("  " + std::filesystem::path(run.path).filename().string());
  }
  if (names.empty())
    return absl::FailedPreconditionError(
        absl::StrCat("no run of ", dir.path(), " is left to be submitted"));
  std::string plugins;
  for (const std::string& plugin : CopiedProgram(dir.path()).plugins)
    absl::StrAppend(&plugins, " --plugin=", ShellWord(plugin));
  const std::string path = JoinPath(dir.path(), "slurm.sh");
  const std::string script = absl::StrReplaceAll(
      kScript, {{"$title", OneLine(dir.manifest().title)},
                {"$script", OneLine(ShellWord(path))},
                {"$last", absl::StrCat(names.size() - 1)},
                {"$limit", options.jobs > 0 ? absl::StrCat("%", options.jobs) : ""},
                {"$threads", absl::StrCat(options.threads > 0 ? options.threads : 1)},
                {"$runs\n", absl::StrJoin(names, "\n") + "\n"},
                {"sweep=$sweep", "sweep=" + ShellWord(dir.path())},
                {"$directory", ShellWord(dir.manifest().directory)},
                {"$plugins", plugins}});
  if (absl::Status s = WriteFileAtomically(path, script); !s.ok()) return s;
  return path;
}

}  // namespace palimpsest
