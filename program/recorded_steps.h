#ifndef PROGRAM_RECORDED_STEPS_H_
#define PROGRAM_RECORDED_STEPS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/tensor.h"
#include "optim/optimizer.pb.h"

namespace palimpsest {

// What one step of an optimizer learns from, by parameter. Of a linear layer y = w x also, or
// instead of its gradient, what that is made of: g = d^T x.
struct RecordedStep {
  NamedTensors grads;
  NamedTensors inputs;  // x [tokens, in]
  NamedTensors errors;  // d [tokens, out]: the loss's gradient at y.
  int64_t tokens = 0;   // Of all of these; 0 if there are none.
};

// First values of parameters, and the steps recorded of their training.
struct RecordedSteps {
  NamedTensors params;
  std::vector<RecordedStep> steps;
};

// From the tensors of the file `path`: "w" and, for t = 1, 2, ..., "g.t" or "x.t" and "d.t"; of
// several parameters "NAME/w" and so on. InvalidArgument names the tensor that is missing, is of
// another shape or dtype than `w`'s, or is none of these.
absl::StatusOr<RecordedSteps> ReadRecordedSteps(const std::string& path,
                                                const NamedTensors& tensors);

struct ReplayResult {
  NamedTensors weights;  // "w.t", or "NAME/w.t": after step t.
  int64_t state_bytes;
  std::vector<std::string> summary;  // Optimizer::Summary.
};

// What an optimizer of `config` makes of the parameters, step for step. InvalidArgument if the
// config has a mistake, if a gradient is not finite, or if the optimizer learns from inputs and
// errors and there are none: then it names step and parameter.
absl::StatusOr<ReplayResult> Replay(const RecordedSteps& recorded, const OptimizerConfig& config);

}  // namespace palimpsest

#endif  // PROGRAM_RECORDED_STEPS_H_
