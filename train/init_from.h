#ifndef TRAIN_INIT_FROM_H_
#define TRAIN_INIT_FROM_H_

#include <string>

#include "absl/status/statusor.h"
#include "nn/model.h"

namespace palimpsest {

// The parameters of `model`, which is fresh, taken from `path`: a run directory (as LoadRun takes
// it) or a checkpoint. Those of the same path are taken; where the model has a Continuum Memory
// System in place of an MLP, its levels take the MLP's weights (Behrouz et al. 2025, section 7.3).
// Of levels one after the other, all but the first start silent, their "down" zero: as long as
// nothing is learnt, the model is then the one that was loaded. What levels have beyond an MLP
// stays fresh. InvalidArgument, with a line for each, if a tensor of either side has no
// counterpart, or another shape.
absl::StatusOr<NamedTensors> ParamsFrom(const std::string& path, LanguageModel& model);

}  // namespace palimpsest

#endif  // TRAIN_INIT_FROM_H_
