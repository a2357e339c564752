#ifndef OPTIM_OPTIMIZER_H_
#define OPTIM_OPTIMIZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/tensor.h"
#include "optim/optimizer.pb.h"

namespace palimpsest {

struct UpdateResult {
  NamedTensors params, state;
  double grad_norm = 0.0;      // Before clipping.
  double learning_rate = 0.0;  // The base rate of this step, before groups' factors.
  // The first parameter whose gradient is not finite. Then nothing was updated.
  std::string non_finite = {};
};

// Groups of parameters by path pattern; each a chain of levels, then scaling by second moments,
// schedule and decay. Pure: no state inside, so a tape can differentiate through steps. Tensors
// given up by the caller (moved in, held by no one else) are updated in place.
class Optimizer {
 public:
  // A pattern that matches no parameter, an unknown optimizer or a value out of range is
  // InvalidArgument. So is a schedule that needs total_steps and has none.
  static absl::StatusOr<std::unique_ptr<Optimizer>> Create(const OptimizerConfig& config,
                                                           const NamedTensors& params);
  virtual ~Optimizer() = default;
  // State tensors are named PATH.SLOT ("blocks.0.mixer.q.weight.m"), f64 for f64 parameters, else
  // f32. bf16 parameters have an f32 master copy among them.
  virtual NamedTensors Init(const NamedTensors& params) const = 0;
  // `step` counts from 0. Gradients have the names of the parameters; frozen ones may lack theirs.
  // `hypers`, f64 scalars by the config's names ("lr", "beta1"), stand in for the config's values:
  // a tape may watch them, as it may the parameters, gradients and state.
  virtual UpdateResult Update(NamedTensors params, NamedTensors grads, NamedTensors state,
                              int64_t step, const NamedTensors& hypers = {}) const = 0;
  // Short lines: optimizer, learning rate, decay and schedule, and how many numbers have these.
  virtual std::vector<std::string> Summary() const = 0;
};

}  // namespace palimpsest

#endif  // OPTIM_OPTIMIZER_H_
