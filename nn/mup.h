#ifndef NN_MUP_H_
#define NN_MUP_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "core/tensor.h"
#include "nn/model.pb.h"

namespace palimpsest {

// Which sides of a parameter grow with the model's width (Yang et al. 2022, "Tensor Programs V",
// Table 8): what first values and learning rates depend on.
enum class ParamRole {
  kInput,   // From tokens to the width: embeddings.
  kHidden,  // From the width, or what grows with it, to the width.
  kOutput,  // From the width to what does not grow: the head, a residual's beta and v.
  kVector,  // Along the width, or of fixed size: norms, biases, convolutions, first states.
};

// `path` as LanguageModel::ForEachParam gives it.
ParamRole RoleOf(const std::string& path, const Tensor& param);

// width / mup_base_width; 1 where that is 0.
double WidthMultiple(const ModelConfig& config);

// The model with `width` instead of its own: heads, kv_heads, value_heads and hidden grow in
// proportion, key_dim stays. InvalidArgument if one would not be whole.
absl::StatusOr<ModelConfig> AtWidth(const ModelConfig& config, int64_t width);

}  // namespace palimpsest

#endif  // NN_MUP_H_
