#ifndef OPTIM_OPTIMIZER_H_
#define OPTIM_OPTIMIZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/tensor.h"
#include "optim/gradients.h"
#include "optim/optimizer.pb.h"
#include "optim/pair_sums_tap.h"

namespace palimpsest {

struct UpdateResult {
  NamedTensors params, state;
  GradientNorms gradients = {};  // Before clipping; of no update, none.

  // These wait for the device on which the gradients are.
  double grad_norm() const { return gradients.Norm(); }
  // The first parameter whose gradient is not finite. Then nothing was updated.
  std::string non_finite() const { return gradients.NonFinite(); }
};

// Groups of parameters by path pattern; each a chain of levels, then scaling by second moments,
// schedule and decay. Pure: no state inside, so a tape can differentiate through steps. Tensors
// given up by the caller (moved in, held by no one else) are updated in place.
class Optimizer {
 public:
  // A pattern that matches no parameter, an unknown optimizer or a value out of range is
  // InvalidArgument. So is a schedule that needs total_steps and has none. Of the parameters only
  // shapes and dtypes matter (ShapeOnly will do).
  static absl::StatusOr<std::unique_ptr<Optimizer>> Create(const OptimizerConfig& config,
                                                           const NamedTensors& params);
  virtual ~Optimizer() = default;
  // State tensors are named PATH.SLOT ("blocks.0.mixer.q.weight.m"), f64 for f64 parameters, else
  // f32. bf16 parameters have an f32 master copy among them; PATH.average is an average of weights.
  virtual NamedTensors Init(const NamedTensors& params) const = 0;
  // Bytes of that state, but for the number of skipped steps.
  virtual int64_t StateBytes() const = 0;

  // What levels keyed on activations are to see of a step's backward passes: alive while these run,
  // then given to Update. `tokens` is the number the step's loss is the mean over. nullptr where
  // gradients are all there is to see. `numbers` as in StepGuard.
  virtual std::unique_ptr<PairSumsTap> Listen(const NamedTensors& params, const NamedTensors& state,
                                              int64_t step, double tokens,
                                              const NamedTensors& hypers = {},
                                              const Tensor& numbers = {}) const = 0;
  // `step` counts from 0. Gradients have the names of the parameters; frozen ones may lack theirs.
  // `hypers`, f64 scalars by the config's names ("lr", "beta1", "level.0.keep"), stand in for the
  // config's values: a tape may watch them, as it may the parameters, gradients and state.
  // A step whose gradients are not finite, or that `guard` is against, updates nothing.
  virtual UpdateResult Update(NamedTensors params, NamedTensors grads, NamedTensors state,
                              int64_t step, const NamedTensors& hypers = {},
                              const PairSumsTap* pairs = nullptr,
                              StepGuard* guard = nullptr) const = 0;

  // f64 [n], on the host: the learning rate of each set of parameters trained alike, and the steps,
  // this one included. All that changes from one step to the next of the same phases: an update
  // that is told them by its guard can be recorded (DeviceGraph), as each tensor given up stays
  // where it is.
  virtual Tensor StepNumbers(int64_t step) const = 0;
  // What kind of step it is, after so many that were made: whether levels with a period write.
  // Empty if on `device` all steps are alike; else the host has to know how many were skipped.
  virtual std::vector<int64_t> Phases(int64_t made, Device device) const = 0;
  // The base rate of a step, before groups' factors.
  virtual double LearningRate(int64_t step) const = 0;

  // The average of each weight, where the config has one (average_keep); else the parameters.
  virtual NamedTensors Averaged(const NamedTensors& params, const NamedTensors& state) const = 0;
  // f64 [], where the state is: steps that were skipped for gradients that were not finite. Empty
  // where none is.
  virtual Tensor Skipped(const NamedTensors& state) const = 0;
  // Short lines: optimizer, learning rate, decay and schedule, how many numbers have these and the
  // bytes of their state.
  virtual std::vector<std::string> Summary() const = 0;
};

}  // namespace palimpsest

#endif  // OPTIM_OPTIMIZER_H_
