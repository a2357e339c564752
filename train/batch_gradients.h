#ifndef TRAIN_BATCH_GRADIENTS_H_
#define TRAIN_BATCH_GRADIENTS_H_

#include <cstdint>
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
// it.
class BatchGradients {
 public:
  struct Result {
    Tensor loss;  // f64 [], on the device.
    NamedTensors gradients;
  };

  // The model's tensors are `params` whenever gradients are asked for.
  BatchGradients(LanguageModel* model, const TrainConfig* config, Device device)
      : model_(*model), config_(*config), device_(device) {}

  // `statistics`, if given, gets those of the first part; it waits for the device.
  Result Of(const Examples& batch, int64_t step, const NamedTensors& params,
            const StatisticSink& statistics = {});
  // The same, op by op.
  Result ByOps(const Examples& batch, int64_t step, const NamedTensors& params,
               const StatisticSink& statistics = {});
  // How often something was recorded.
  int64_t recordings() const { return recordings_; }

 private:
  // What the result depends on besides the parameters.
  struct Inputs {
    Tensor tokens, labels;  // i32 [batch, time]
    Tensor shares;          // [parts]: of each part's labels, of all.
    Tensor step;            // i64 []
  };
  struct Recorded {
    Inputs inputs;
    std::vector<const void*> params;  // Where they were.
    Result result;
    std::unique_ptr<DeviceGraph> graph;
  };

  Inputs OnHost(const Examples& batch, int64_t step) const;
  Inputs Placed(const Inputs& in) const;
  Result Compute(const Inputs& in, const NamedTensors& params, const StatisticSink& statistics);
  Result ComputePart(const Inputs& in, int64_t part, const NamedTensors& params,
                     const StatisticSink& statistics);
  void Record(Inputs in, const NamedTensors& params);

  LanguageModel& model_;
  const TrainConfig& config_;
  const Device device_;
  bool begun_ = false;
  Recorded recorded_ = {};
  int64_t recordings_ = 0;
};

}  // namespace palimpsest

#endif  // TRAIN_BATCH_GRADIENTS_H_
