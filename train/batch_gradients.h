#ifndef TRAIN_BATCH_GRADIENTS_H_
#define TRAIN_BATCH_GRADIENTS_H_

#include <cstdint>

#include "core/tensor.h"
#include "nn/model.h"
#include "tasks/data.h"
#include "train/config.pb.h"

namespace palimpsest {

// What a step depends on besides parameters and state.
struct StepInputs {
  Tensor tokens, labels;  // i32 [batch, time]
  Tensor shares;          // f64 [parts]: of each part's labels, of all.
  Tensor step;            // i64 []
  Tensor numbers;         // f64 [n]: Optimizer::StepNumbers.
};
StepInputs CopyTo(const StepInputs& inputs, Device device);
// Where they are, and of the same shapes.
void Overwrite(StepInputs& inputs, const StepInputs& with);

// The loss of a step's batch and its gradients, in as many parts as the config says. Waits for no
// device.
class BatchGradients {
 public:
  struct Result {
    Tensor loss;  // f64 [], on the device.
    NamedTensors gradients;
  };

  // The model's tensors are `params` whenever gradients are asked for.
  BatchGradients(LanguageModel* model, const TrainConfig* config)
      : model_(*model), config_(*config) {}

  // On the host.
  StepInputs Inputs(const Examples& batch, int64_t step, const Tensor& numbers) const;
  // Of inputs where the model is. `statistics`, if given, gets those of the first part; it waits
  // for the device.
  Result Of(const StepInputs& inputs, const NamedTensors& params,
            const StatisticSink& statistics = {});

 private:
  Result OfPart(const StepInputs& inputs, int64_t part, const NamedTensors& params,
                const StatisticSink& statistics);

  LanguageModel& model_;
  const TrainConfig& config_;
};

}  // namespace palimpsest

#endif  // TRAIN_BATCH_GRADIENTS_H_
