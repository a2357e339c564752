#ifndef TRAIN_STEP_GRAPHS_H_
#define TRAIN_STEP_GRAPHS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "core/device_graph.h"
#include "optim/gradients.h"
#include "train/batch_gradients.h"

namespace palimpsest {

// What is known of a step that was made, on the device.
struct StepMade {
  Tensor loss;  // f64 []
  GradientNorms gradients;
};

// A copy of what the next step overwrites; nothing of nothing.
Tensor Kept(const Tensor& x);

// Whole steps of training, recorded in graphs: one for each kind of step (Optimizer::Phases), the
// second time there is one of it. They share memory.
class StepGraphs {
 public:
  struct Step {
    std::vector<int64_t> phases;
    std::vector<const void*> places;  // Of all that it changes, which stays where it is.
    StepInputs inputs;                // On the host.
  };

  explicit StepGraphs(Device device) : device_(device) {}

  // Nothing of the first step of a kind, which is to be made op by op: that loads what it needs.
  // Else makes the step as it was recorded by `make`, called with inputs on the device.
  std::optional<StepMade> Make(const Step& step,
                               absl::FunctionRef<StepMade(const StepInputs&)> make);
  // How often a step was recorded.
  int64_t recordings() const { return recordings_; }

 private:
  struct Recorded {
    StepInputs inputs;
    std::vector<const void*> places;
    StepMade made = {};
    std::unique_ptr<DeviceGraph> graph = {};
  };

  const Device device_;
  std::shared_ptr<GraphMemory> memory_;
  std::map<std::vector<int64_t>, Recorded> by_phases_;
  int64_t recordings_ = 0;
};

}  // namespace palimpsest

#endif  // TRAIN_STEP_GRAPHS_H_
