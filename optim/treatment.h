#ifndef OPTIM_TREATMENT_H_
#define OPTIM_TREATMENT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "core/device.h"
#include "optim/chain.h"
#include "optim/settings.h"

namespace palimpsest {

// Parameters that are trained alike, or not at all.
struct Treatment {
  Settings settings;
  Chain chain;
  std::vector<std::string> paths;
  int64_t values = 0, state_bytes = 0;            // Of all of them.
  std::map<std::string, int64_t> state_bytes_of;  // By what one of them is.

  // Whether kernels on `device` make all of an update, or there is none.
  bool FusesOn(Device device) const;
};
using Treatments = std::map<std::string, Treatment>;  // By description.

// Each parameter that is trained.
void ForEachTrained(const Treatments& treatments,
                    absl::FunctionRef<void(const Treatment&, const std::string& path)> f);
// Those of parameters that are not.
void DropFrozen(const Treatments& treatments, NamedTensors& grads);

// f64 []: the learning rate of a step before a group's factor, with `given` in place of settings.
Tensor StepLearningRate(const Settings& settings, int64_t step, const Hypers& given);
// All of a step, "lr" with its schedule and factor.
Hypers StepHypers(const Settings& settings, int64_t step, const Hypers& given);

// As Optimizer has them.
Tensor StepNumbers(const Treatments& treatments, int64_t step);
std::vector<int64_t> Phases(const Treatments& treatments, int64_t made, Device device);
// Of what is trained, by description; "lr" is one of the numbers, if there are any.
std::map<std::string, Hypers> StepHypers(const Treatments& treatments, int64_t step,
                                         const Hypers& given, const Tensor& numbers);
// f64 []: the steps that were made, this one included, without *skipped, if there is that.
Tensor StepsMade(int64_t step, const Tensor& numbers, const Tensor* skipped);

// Stop where a name is no one's or its value no f64 [], or a gradient is not like its parameter.
void CheckHypers(const Treatments& treatments, const Hypers& given);
void CheckGradients(const Treatments& treatments, const NamedTensors& params,
                    const NamedTensors& grads);

// As Optimizer::Summary.
std::vector<std::string> Summary(const Treatments& treatments);

}  // namespace palimpsest

#endif  // OPTIM_TREATMENT_H_
