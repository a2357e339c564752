#ifndef TRAIN_MUP_H_
#define TRAIN_MUP_H_

#include "absl/status/statusor.h"
#include "core/tensor.h"
#include "nn/model.pb.h"
#include "optim/optimizer.pb.h"

namespace palimpsest {

// The optimizer of a model of mup_base_width as that of `model`: each parameter a group of its own
// where its role and its optimizer ask for another learning rate (nn/mup.h; Table 8 of Yang et al.
// 2022). What decays by lr weight_decay goes on to do so at the base's rate. InvalidArgument for an
// optimizer of which it is not known how its learning rate follows the width.
absl::StatusOr<OptimizerConfig> MupOptimizer(const OptimizerConfig& config,
                                             const ModelConfig& model, const NamedTensors& params);

}  // namespace palimpsest

#endif  // TRAIN_MUP_H_
