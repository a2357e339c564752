#ifndef ABLATION_RUN_RECORD_H_
#define ABLATION_RUN_RECORD_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "train/run_summary.h"

namespace palimpsest {

enum class RunStatus { kComplete, kUnfinished, kFailed };
const char* RunStatusName(RunStatus status);

struct RunCurve {
  std::vector<double> steps, values;  // Steps rise. NaN: what was not finite.
};

// What is left of a run, whatever became of it.
struct RunRecord {
  std::string dir;
  RunStatus status = RunStatus::kUnfinished;
  // In a line: why it is not complete, what its log ends with, what of it is damaged.
  std::string problem;
  uint64_t seed = 0;
  std::map<std::string, std::string> config;  // FlattenProto; empty if it cannot be read.
  std::map<std::string, std::string> given;   // Of it, what is not a default.
  std::string config_text, version;
  int64_t step = 0;                   // The last that was logged.
  std::optional<RunSummary> summary;  // Of a complete run.
  // "loss", the validation metrics and the model's statistics, by the name they are logged by.
  std::map<std::string, RunCurve> curves;
};

// There is something of a run in `dir`.
bool IsRunDir(const std::string& dir);

// Reads what there is. What cannot be read makes the run no error but an unfinished one, whose
// `problem` says so.
RunRecord ReadRun(const std::string& dir);

}  // namespace palimpsest

#endif  // ABLATION_RUN_RECORD_H_
