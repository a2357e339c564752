#ifndef ABLATION_SWEEP_MANIFEST_H_
#define ABLATION_SWEEP_MANIFEST_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace palimpsest {

// What a sweep is made of, in SWEEP/sweep.json.
struct SweepManifest {
  struct Run {
    uint64_t seed = 0;
    std::string dir;  // Relative to the sweep's.
    // "waiting", "running", "stopped", "complete", or the class of its failure.
    std::string status = "waiting";
    bool failed() const;
  };
  struct Row {
    std::string name, id;  // The id is of the config without its seed.
    std::vector<Run> runs;
  };
  std::string title, baseline, metric;
  std::string program;         // The hash of the program that runs it.
  std::string directory = {};  // Where it runs: what relative paths in the configs start from.
  std::vector<Row> rows;
};

std::string SweepManifestPath(const std::string& sweep_dir);
absl::Status WriteSweepManifest(const std::string& sweep_dir, const SweepManifest& manifest);
// DataLoss names what is missing or of the wrong kind.
absl::StatusOr<SweepManifest> ReadSweepManifest(const std::string& sweep_dir);

}  // namespace palimpsest

#endif  // ABLATION_SWEEP_MANIFEST_H_
