#include "train/step_graphs.h"

#include "ops/elementwise.h"

namespace palimpsest {

Tensor Kept(const Tensor& x) { return x ? Mul(x, 1.0) : x; }

std::optional<StepMade> StepGraphs::Make(const Step& step,
                                         absl::FunctionRef<StepMade(const StepInputs&)> make) {
  const auto [at, is_new] = by_phases_.try_emplace(step.phases);
  if (is_new) return {};
  Recorded& recorded = at->second;
  if (recorded.graph == nullptr || recorded.places != step.places) {
    if (memory_ == nullptr) memory_ = std::make_shared<GraphMemory>(device_);
    recorded = {.inputs = CopyTo(step.inputs, device_), .places = step.places};
    recorded.graph =
        std::make_unique<DeviceGraph>(memory_, [&] { recorded.made = make(recorded.inputs); });
    ++recordings_;
  } else {
    Overwrite(recorded.inputs, step.inputs);
  }
  recorded.graph->Replay();
  const auto& [loss, gradients] = recorded.made;
  return StepMade{
      Kept(loss),
      {gradients.names, Kept(gradients.squares), Kept(gradients.norm), Kept(gradients.scale)}};
}

}  // namespace palimpsest
