#ifndef OPTIM_LEVEL_H_
#define OPTIM_LEVEL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/tensor.h"
#include "memory_rules/pair_sums.h"

namespace palimpsest {

// The continuous hyper-parameters of a step by name: f64 scalars, which a tape may watch. They are
// the host's, but for "lr", which may be where the parameters are.
using Hypers = NamedTensors;

// What a level learns from at one step.
struct Signal {
  Tensor gradient;  // Of one parameter; of a later level, what the level before read out.
  Tensor param = {};
  // Of an activation-keyed level: what the tokens come to, as ListenTo asked for it.
  std::optional<PairSums> pairs = {};
  // What the read-out will be divided by: sqrt(v) + eps, where there is a second moment of the
  // gradient.
  Tensor divisor = {};
};

// What a level may depend on besides the signal.
struct LevelStep {
  int64_t step;  // Updates before this one: for a level that has phases.
  Tensor steps;  // f64 [], the host's or where the parameters are: with this one.
  const Hypers& hypers;
  const Tensors& sums;  // Those the level asked for, over all the parameters it concerns.
};

// How an activation-keyed level sees the tokens of a linear layer, its inputs x [rows, in].
struct TokenKeys {
  Tensor keys;        // [rows, in]
  Tensor value = {};  // [rows, 1], times the gradients d at the output: values. Empty: 1.
  double value_key = 1.0, key_key = 1.0;  // Times the sums of v k^T and k k^T.
};

// What a level asks of the backward pass.
struct PairRequest {
  std::string name;  // Requests of one name make the same keys.
  std::function<TokenKeys(const Tensor& x)> keys;
  // M [out, in], for which sum (M k) k^T is made token by token; else, the sum of k k^T.
  Tensor read_with = {};
};

// One level of an optimizer: a memory of gradients, scanned over optimizer steps. What it reads out
// is the gradient that the next level sees. Pure: a tape can differentiate through any number of
// steps.
class Level {
 public:
  virtual ~Level() = default;
  // The rule by which it is written; nullptr of a level that remembers nothing.
  virtual const MemoryRule* memory() const { return nullptr; }
  // A fresh memory for a parameter; its tensors by slot: "m", or "m.0", "m.1" of several.
  virtual NamedTensors Init(const Shape& param, DType dtype) const = 0;
  // What the level makes of the signal; takes its tensors in `state` a step on.
  virtual Tensor Update(const Signal& signal, const LevelStep& now, NamedTensors& state) const = 0;
  // Of a level that does more at some steps than at others: which kind of step it is, after so
  // many.
  virtual std::optional<int64_t> Phase(int64_t /*step*/) const { return {}; }
  // f64 scalars that are added up over parameters before any of them is updated; none by default.
  virtual Tensors Sums(const Signal& /*signal*/, const Hypers& /*hypers*/,
                       const NamedTensors& /*state*/) const {
    return {};
  }
  // For a parameter [out, in] of a linear layer on `tokens` tokens; nothing of a level that learns
  // from gradients alone.
  virtual std::optional<PairRequest> ListenTo(const Tensor& /*param*/, double /*tokens*/,
                                              const Hypers& /*hypers*/,
                                              const NamedTensors& /*state*/) const {
    return {};
  }
};

// A rule that is always linked, by name.
std::unique_ptr<MemoryRule> BuiltInRule(const std::string& name,
                                        std::map<std::string, double> params = {},
                                        std::map<std::string, std::string> options = {});
// `scalar` as a dtype and on a device; those of `like`.
Tensor ScalarOn(Device device, const Tensor& scalar, DType dtype = DType::kF64);
Tensor ScalarLike(const Tensor& scalar, const Tensor& like);
// 1 - keep^count, for f64 scalars, where `count` is: what an average of so many writes, which began
// at 0, is divided by.
Tensor Correction(const Tensor& keep, const Tensor& count);
// [m, n] of a parameter of any shape: the first axis is the output.
Shape MatrixShape(const Shape& shape);

}  // namespace palimpsest

#endif  // OPTIM_LEVEL_H_
