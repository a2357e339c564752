#ifndef ABLATION_RUN_SET_H_
#define ABLATION_RUN_SET_H_

#include <string>
#include <vector>

#include "ablation/config_fields.h"
#include "ablation/run_record.h"
#include "absl/status/statusor.h"

namespace palimpsest {

// Runs of one config, which differ in their seeds.
struct RunRow {
  std::string name;
  std::string id;  // Of the config without its seed; empty if that is not known.
  std::vector<RunRecord> runs;
};
// The row's first run whose config could be read, which stands for all of them; nullptr: none.
const RunRecord* RunWithConfig(const RunRow& row);

// What is compared.
struct RunSet {
  std::string title = {};
  // From the sweep, if they are of one: the row to compare with, and by what. Else empty.
  std::string baseline = {}, metric = {};
  // Of the sweep, if all runs are of one: its folder, and the hash of the program that ran it.
  std::string sweep_dir = {}, program = {};
  std::vector<RunRow> rows = {};
  VariedFields varied = {};  // That not all rows agree on, seeds apart.
};

// Each path is a run's folder, a sweep's (with a sweep.json), or one that has such in it. Runs of
// no sweep are rows by what bears on their results, named by what they differ in. Errors say what
// is no run.
absl::StatusOr<RunSet> ReadRuns(const std::vector<std::string>& paths);

}  // namespace palimpsest

#endif  // ABLATION_RUN_SET_H_
