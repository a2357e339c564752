#ifndef TRAIN_CHECKPOINT_H_
#define TRAIN_CHECKPOINT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/tensor.h"

namespace palimpsest {

// All that a run needs to go on as if it had never stopped. One safetensors file: the tensors under
// "model/", "optimizer/" and "state/", the rest in its metadata.
struct Checkpoint {
  NamedTensors params;     // By the model's paths.
  NamedTensors optimizer;  // As Optimizer::Update returned it.
  NamedTensors state;      // Fast weights carried from step to step.
  int64_t step = 0;        // Optimizer steps done.
  int64_t tokens = 0;      // Tokens trained on.
  uint64_t seed = 0;       // Random streams are functions of the seed and a position:
  uint64_t stream = 0;     // where the run's stream stands,
  int64_t data = 0;        // and where its data stands, as the data source counts.
  std::string config;      // The resolved config, text format.
  std::string version;     // The program that wrote it.
};

// DIR/step-00000020.safetensors
std::string CheckpointPath(const std::string& dir, int64_t step);

// Writes the checkpoint into `dir`, whole or not at all, then deletes all but the `keep` newest
// complete ones (at least 2; never the one just written) and what interrupted writes left behind.
absl::Status SaveCheckpoint(const std::string& dir, const Checkpoint& checkpoint, int keep);

struct FoundCheckpoint {
  std::string path;
  int64_t step;
  std::vector<std::string> ignored;  // Newer files that are not complete, a line each saying why.
};
// The newest complete checkpoint in `dir`; NotFound, with the reasons, if there is none.
absl::StatusOr<FoundCheckpoint> LatestCheckpoint(const std::string& dir);

// The tensors to read: for evaluation and generation the parameters and the state suffice.
enum class CheckpointPart { kAll, kWithoutOptimizer };
absl::StatusOr<Checkpoint> LoadCheckpoint(const std::string& path,
                                          CheckpointPart part = CheckpointPart::kAll);

// OK if `found`, the `what` of `where`, has the names, shapes and dtypes of `expected`. Else
// InvalidArgument with a line for each tensor that differs, naming it and both shapes.
absl::Status MatchTensors(const std::string& where, const std::string& what,
                          const NamedTensors& found, const NamedTensors& expected);

// 16 hex digits that depend on the text alone (FNV-1a).
std::string ConfigHash(const std::string& config);

}  // namespace palimpsest

#endif  // TRAIN_CHECKPOINT_H_
