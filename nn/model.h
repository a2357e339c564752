#ifndef NN_MODEL_H_
#define NN_MODEL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/random.h"
#include "core/tensor.h"
#include "nn/layers.h"
#include "nn/mixer.h"
#include "nn/model.pb.h"

namespace palimpsest {

struct ForwardOptions {
  // State carried from the tokens before (see InitState); empty: a fresh start.
  NamedTensors state = {};
  // Set in training: the stream dropout draws from. Without it nothing is dropped.
  const RandomStream* dropout = nullptr;
  // i64 [] where the model is: stands in for the stream's step, if it is given.
  Tensor dropout_step = {};
  // Called with what each part puts out: "embedding", "blocks.0.mixer", "blocks.0.mlp", "blocks.0"
  // (their sum, with what came in), "norm" and "logits".
  std::function<void(const std::string& path, const Tensor& x)> observe = {};
  // Called with what the parts know of how they fare; without it they do not look.
  StatisticSink statistics = {};
};

struct ForwardResult {
  Tensor logits;       // [batch, time, vocab]
  NamedTensors state;  // After the last token: fast weights, convolution tails, attention caches.
};

// Embedding, blocks of (mixer, MLP), norm, head. The config says which mixer each block has.
class LanguageModel {
 public:
  // An unknown rule, gate or parameter, or sizes that do not fit, are InvalidArgument
  // (ResolveModelConfig). Parameters have `dtype`, but for what gates and memories are computed in
  // (StateDType); they are the same on every `device`.
  static absl::StatusOr<std::unique_ptr<LanguageModel>> Create(const ModelConfig& config,
                                                               const RandomStream& init,
                                                               DType dtype = DType::kF32,
                                                               Device device = Device::kCpu);
  // The same without values or memory for them, which are the caller's to give, on the device: to
  // count parameters of any size at next to no cost, or to read them from a file.
  static absl::StatusOr<std::unique_ptr<LanguageModel>> CreateUninitialized(
      const ModelConfig& config, DType dtype = DType::kF32, Device device = Device::kCpu);
  virtual ~LanguageModel() = default;
  virtual void ForEachParam(ParamVisitor visit) = 0;
  // tokens: i32 [batch, time], on the host or where the model is.
  virtual ForwardResult Forward(const Tensor& tokens, const ForwardOptions& options = {}) const = 0;
  // By path ("blocks.0.mixer.memory.0"), and "position": how many tokens there were, i64 [].
  virtual NamedTensors InitState(int64_t batch) const = 0;
  // Bytes of fast weights, convolution tails and attention caches of one sequence after `time`
  // tokens.
  virtual int64_t StateBytes(int64_t time) const = 0;
  // As built: with every size filled in (ResolveModelConfig).
  virtual const ModelConfig& config() const = 0;
};

NamedTensors Params(LanguageModel& model);
int64_t NumParams(LanguageModel& model);
int64_t StateBytes(const LanguageModel& model, int64_t time);

}  // namespace palimpsest

#endif  // NN_MODEL_H_
