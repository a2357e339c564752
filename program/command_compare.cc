#include <cstdio>

#include "ablation/report.h"
#include "ablation/shell_word.h"
#include "absl/strings/str_cat.h"
#include "program/commands.h"
#include "program/program.h"
#include "train/file.h"
#include "train/progress.h"

namespace palimpsest {
namespace {

class CompareRuns : public Command {
 public:
  std::string name() const override { return "compare"; }
  std::string summary() const override {
    return "hold runs or sweeps against one another, seed by seed";
  }
  std::string usage() const override {
    return "compare RUNS_OR_SWEEPS... [--baseline=ROW] [--metric=NAME] [--out=DIR]";
  }
  std::string examples() const override {
    return "  palimpsest compare runs/delta-1 runs/delta-2 runs/titans-1 runs/titans-2\n"
           "  palimpsest compare sweeps/rules --baseline=rule=delta --metric=val_accuracy\n"
           "\n"
           "Runs that differ in their seeds alone are one row. A row of one seed is shown\n"
           "and not ranked. Of a sweep the report is written into its folder.\n";
  }
  void AddFlags(Flags* flags) override {
    flags
        ->Add("baseline", "ROW", &baseline_,
              "the row that others are compared with (the sweep's, or the first)")
        .Add("metric", "NAME", &metric_,
             "val_loss, val_accuracy, val_sequence_accuracy or loss (the sweep's, or val_loss)")
        .Add("out", "DIR", &out_, "where report.html, report.md and report.csv go");
  }

  absl::StatusOr<int> Run(const std::vector<std::string>& paths) override {
    const absl::StatusOr<RunSet> runs = ReadRuns(paths);
    if (!runs.ok()) return runs.status();
    absl::StatusOr<Report> report = MakeReport(*runs, metric_, baseline_);
    if (!report.ok()) return report.status();
    report->command = CommandFor(paths, report->comparisons[0]);
    std::printf("%s", ReportText(*report, TerminalWidth(stdout)).c_str());
    const std::string out = out_.empty() ? runs->sweep_dir : out_;
    if (out.empty()) return 0;
    if (absl::Status s = WriteReport(*report, out); !s.ok()) return s;
    std::printf("\nreport: %s\n", OneLine(JoinPath(out, "report.html")).c_str());
    return 0;
  }

 private:
  static std::string CommandFor(const std::vector<std::string>& paths, const Comparison& by) {
    std::string command = "palimpsest compare";
    for (const std::string& path : paths) absl::StrAppend(&command, " ", ShellWord(path));
    return absl::StrCat(command, " --metric=", by.metric.name, " ",
                        ShellWord("--baseline=" + by.baseline));
  }

  std::string baseline_, metric_, out_;
};

}  // namespace

Command& CompareCommand() {
  static CompareRuns command;
  return command;
}

}  // namespace palimpsest
