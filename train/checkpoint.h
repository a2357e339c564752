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

// Writes the checkpoint into `dir`, whole or not at all, with checksums.
absl::Status SaveCheckpoint(const std::string& dir, const Checkpoint& checkpoint);

// Which checkpoints stay: the `newest` newest whole ones (at least 2), and those of steps that are
// multiples of `every` (0: none).
struct CheckpointsKept {
  int64_t newest = 2, every = 0;
};
// Deletes the other checkpoints in `dir`, and what interrupted writes left behind; never that of
// step `written`, which is known to be whole.
absl::Status PruneCheckpoints(const std::string& dir, int64_t written, const CheckpointsKept& kept);

// The tensors to read: for evaluation and generation the parameters and the state suffice.
enum class CheckpointPart { kAll, kWithoutOptimizer, kMetadata };
// DataLoss: a byte of what is read was changed since it was written.
absl::StatusOr<Checkpoint> LoadCheckpoint(const std::string& path,
                                          CheckpointPart part = CheckpointPart::kAll);

struct FoundCheckpoint {
  std::string path;
  Checkpoint checkpoint;
  std::vector<std::string> ignored;  // Newer files that are not whole, a line each saying why.
};
// The newest whole checkpoint in `dir`; NotFound if there is no file of one, DataLoss, with the
// reasons, if none is whole.
absl::StatusOr<FoundCheckpoint> LoadNewestCheckpoint(const std::string& dir,
                                                     CheckpointPart part = CheckpointPart::kAll);

// OK if `found`, the `what` of `where`, has the names, shapes and dtypes of `expected`. Else
// InvalidArgument with a line for each tensor that differs, naming it and both shapes.
absl::Status MatchTensors(const std::string& where, const std::string& what,
                          const NamedTensors& found, const NamedTensors& expected);

// 16 hex digits that depend on the text alone (FNV-1a).
std::string ConfigHash(const std::string& config);

}  // namespace palimpsest

#endif  // TRAIN_CHECKPOINT_H_
