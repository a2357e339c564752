#ifndef TRAIN_BATCH_GRADIENTS_H_
#define TRAIN_BATCH_GRADIENTS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/device_graph.h"
#include "core/tensor.h"
#include "nn/model.h"
#include "tasks/data.h"
#include "train/config.pb.h"

namespace palimpsest {

// The loss of a step's batch and its gradients, in as many parts as the config says. Waits for no
// device. With `cuda_graph` the second batch is recorded, and those after it, of its shape, replay
// it, with the update that follows where that can be recorded, too.
class BatchGradients {
 public:
  struct Result {
    Tensor loss;  // f64 [], on the device.
    NamedTensors gradients;
    bool updated = false;  // The recorded update has been made, of these.
  };
  // What is to be recorded after the gradients.
  struct Update {
    Tensor numbers;                   // Optimizer::StepNumbers of the step.
    std::vector<const void*> places;  // Of what it changes: all stays where it is.
    // Once, with the loss, as f64, and the numbers on the device.
    std::function<void(Result, const Tensor& numbers)> record;
  };

  // The model's tensors are `params` whenever gradients are asked for.
  BatchGradients(LanguageModel* model, const TrainConfig* config, Device device)
      : model_(*model), config_(*config), device_(device) {}

  // Recorded, with `update` if there is one, or op by op.
  Result Of(const Examples& batch, int64_t step, const NamedTensors& params,
            const Update* update = nullptr);
  // Op by op. `statistics`, if given, gets those of the first part; it waits for the device.
  Result ByOps(const Examples& batch, int64_t step, const NamedTensors& params,
               const StatisticSink& statistics = {});
  // How often something was recorded.
  int64_t recordings() const { return recordings_; }
  // Whether what is recorded has an update.
  bool records_update() const { return recorded_.result.updated; }

 private:
  // What the result depends on besides the parameters.
  struct Inputs {
    Tensor tokens, labels;  // i32 [batch, time]
    Tensor shares;          // [parts]: of each part's labels, of all.
    Tensor step;            // i64 []
    Tensor numbers = {};    // f64 [n], of an update.
  };
  struct Recorded {
    Inputs inputs;
    std::vector<const void*> places;  // Of the parameters and of what is updated.
    Result result;
    std::unique_ptr<DeviceGraph> graph;
  };

  Inputs OnHost(const Examples& batch, int64_t step) const;
  Inputs Placed(const Inputs& in) const;
  Result Compute(const Inputs& in, const NamedTensors& params, const StatisticSink& statistics);
  Result ComputePart(const Inputs& in, int64_t part, const NamedTensors& params,
                     const StatisticSink& statistics);
  void Record(Inputs in, const NamedTensors& params, const Update* update);

  LanguageModel& model_;
  const TrainConfig& config_;
  const Device device_;
  bool begun_ = false;
  Recorded recorded_ = {};
  int64_t recordings_ = 0;
};

}  // namespace palimpsest

#endif  // TRAIN_BATCH_GRADIENTS_H_
