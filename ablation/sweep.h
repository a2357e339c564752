#ifndef ABLATION_SWEEP_H_
#define ABLATION_SWEEP_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ablation/sweep.pb.h"
#include "absl/status/statusor.h"
#include "train/config.pb.h"

namespace palimpsest {

struct SweepRow {
  std::string name;    // "rule=delta, momentum=on"
  TrainConfig config;  // Of the first seed; every default is spelled out.
};

// The sweep of `path`, with its title and its configs' paths from here.
absl::StatusOr<Sweep> LoadSweep(const std::string& path);
absl::StatusOr<Sweep> ParseSweep(const std::string& text, const std::string& file);

// The rows, the last axis fastest. `overrides` ("a.b=value") are set last, in every row.
// InvalidArgument names the axis, the variant or the row with a mistake.
absl::StatusOr<std::vector<SweepRow>> ExpandSweep(const Sweep& sweep,
                                                  const std::vector<std::string>& overrides);

absl::StatusOr<std::vector<uint64_t>> SweepSeeds(const Sweep& sweep);

}  // namespace palimpsest

#endif  // ABLATION_SWEEP_H_
