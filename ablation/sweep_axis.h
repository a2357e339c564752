#ifndef ABLATION_SWEEP_AXIS_H_
#define ABLATION_SWEEP_AXIS_H_

#include <string>
#include <vector>

#include "ablation/sweep.pb.h"
#include "absl/status/statusor.h"

namespace palimpsest {

// One value of an axis, whatever it varies.
struct SweepPoint {
  std::string label;               // What it adds to a row's name: "lr=0.001".
  std::vector<std::string> bases;  // Configs to merge.
  std::vector<std::string> sets;   // "field.path=value"
};
using SweepPoints = std::vector<SweepPoint>;

// Of every axis, with the sweep's own variants as the last. InvalidArgument names the axis.
absl::StatusOr<std::vector<SweepPoints>> SweepAxes(const Sweep& sweep);

}  // namespace palimpsest

#endif  // ABLATION_SWEEP_AXIS_H_
