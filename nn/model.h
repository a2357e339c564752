#ifndef NN_MODEL_H_
#define NN_MODEL_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "core/random.h"
#include "core/tensor.h"
#include "nn/model.pb.h"

namespace palimpsest {

// Called with each parameter's path ("blocks.0.mixer.q.weight") and the tensor, which it may replace.
using ParamVisitor = absl::FunctionRef<void(const std::string& path, Tensor& param)>;

struct ForwardOptions {
  // State carried from the tokens before (see InitState); empty: a fresh start.
  NamedTensors state = {};
  // Set in training: the stream dropout draws from. Without it nothing is dropped.
  const RandomStream* dropout = nullptr;
};

struct ForwardResult {
  Tensor logits;       // [batch, time, vocab]
  NamedTensors state;  // After the last token: fast weights, convolution tails, attention caches.
};

// Embedding, blocks of (mixer, MLP), norm, head. The config says which mixer each block has.
class LanguageModel {
 public:
  // An unknown rule, gate or parameter, or sizes that do not fit, are InvalidArgument.
  static absl::StatusOr<std::unique_ptr<LanguageModel>> Create(const ModelConfig& config, const RandomStream& init,
                                                               DType dtype = DType::kF32);
  virtual ~LanguageModel() = default;
  virtual void ForEachParam(ParamVisitor visit) = 0;
  // tokens: i32 [batch, time].
  virtual ForwardResult Forward(const Tensor& tokens, const ForwardOptions& options = {}) const = 0;
  virtual NamedTensors InitState(int64_t batch) const = 0;
};

NamedTensors Params(LanguageModel& model);
int64_t NumParams(LanguageModel& model);
// Bytes of carried state for one sequence after `time` tokens.
int64_t StateBytes(const LanguageModel& model, int64_t time);

}  // namespace palimpsest

#endif  // NN_MODEL_H_
