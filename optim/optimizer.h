#ifndef OPTIM_OPTIMIZER_H_
#define OPTIM_OPTIMIZER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "core/tensor.h"
#include "optim/optimizer.pb.h"

namespace palimpsest {

struct UpdateResult {
  NamedTensors params, state;
  double grad_norm;      // Before clipping.
  double learning_rate;  // The base rate of this step, before groups' factors.
};

// Groups of parameters by path pattern; each a chain of levels, then scaling by second moments, schedule and
// decay. Pure: no state inside, so a tape can differentiate through steps. Tensors given up by the caller
// (moved in, held by no one else) are updated in place.
class Optimizer {
 public:
  // A pattern that matches no parameter, an unknown optimizer or a value out of range is InvalidArgument.
  static absl::StatusOr<std::unique_ptr<Optimizer>> Create(const OptimizerConfig& config, const NamedTensors& params);
  virtual ~Optimizer() = default;
  virtual NamedTensors Init(const NamedTensors& params) const = 0;
  // `step` counts from 0. Gradients have the names of the parameters.
  virtual UpdateResult Update(NamedTensors params, NamedTensors grads, NamedTensors state, int64_t step) const = 0;
};

}  // namespace palimpsest

#endif  // OPTIM_OPTIMIZER_H_
