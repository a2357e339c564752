#ifndef OPTIM_LEVELS_H_
#define OPTIM_LEVELS_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "optim/memory_level.h"
#include "optim/optimizer.pb.h"

namespace palimpsest {

// What all levels of memory can be told; defaults are those of no option.
struct LevelOptions {
  std::string slot;
  bool nesterov = false;
  int64_t period = 1;
  bool holds_reading = false;
  OptimizerConfig::Features features = OptimizerConfig::LINEAR;
  std::function<Tensor(const Tensor&)> output = nullptr;
};

// None: the gradient itself.
std::unique_ptr<Level> NoLevel();

// An average of gradients, M <- keep M + strength phi(g): the Hebbian memory with a single key, 1
// (Nested Learning, eq. 33-34, 51).
struct EmaOptions {
  // f64 scalars. Strength unset: 1 - keep.
  std::function<Tensor(const Signal&, const LevelStep&)> keep, strength = nullptr;
  bool corrected = false;  // Divide by 1 - keep^writes (Kingma & Ba 2015).
  // What is read has kept this much of the memory before the write instead (Chen et al. 2023,
  // "Lion").
  std::function<Tensor(const Signal&, const LevelStep&)> keep_ahead = nullptr;
};
std::unique_ptr<Level> EmaLevel(LevelOptions options, EmaOptions ema);
// The hyper-parameter of this name.
std::function<Tensor(const Signal&, const LevelStep&)> Hyper(std::string name);

// A gate of a rule and the hyper-parameter that gives its value; of a log gate, the logarithm's
// argument.
struct GateHyper {
  std::string gate, hyper;
  bool log = false;
};

// Activation-keyed momentum (Hong & Qu 2026; the batch rule): N tokens' inputs of unit length are
// the keys, gradients at the outputs the values,
//   M <- keep M + eta (Ghat - M Sigma),  Ghat = sum_i d_i xh_i^T,  Sigma = sum_i xh_i xh_i^T / N
// for the gradients d_i of a mean loss. By any rule that steps by sums.
struct ActivationKeyedOptions {
  std::shared_ptr<const MemoryRule> memory;
  std::vector<GateHyper> gates;
  OptimizerConfig::Contraction contraction = OptimizerConfig::AUTO;
  std::string corrected_by = {};  // Divide by 1 - keep^writes, where this hyper-parameter is keep.
};
std::unique_ptr<Level> ActivationKeyedLevel(LevelOptions options, ActivationKeyedOptions keyed);

// A gradient as pairs a row each, or one for all of it, or one for each entry: keys phi(g), values
// the target. Read with the same keys or, where the target is BASIS, as the matrix it is.
struct GradientKeyedOptions {
  std::shared_ptr<const MemoryRule> memory;
  std::vector<GateHyper> gates;
  enum class Pairs { kRows, kWhole, kEntries } pairs = Pairs::kRows;
  bool unit_key = false;  // The key is 1, whatever the gradient: one pair whose value is all of it.
  OptimizerConfig::Target target = OptimizerConfig::SELF;
  OptimizerConfig::Preconditioner preconditioner = OptimizerConfig::IDENTITY;
  // Times the values; unset: 1.
  std::function<Tensor(const LevelStep&)> value_scale = nullptr;
  bool mean = false;  // Gates that are strengths are divided by the number of pairs.
};
std::unique_ptr<Level> GradientKeyedLevel(LevelOptions options, GradientKeyedOptions keyed);

// The weights themselves as the memory, written by delta gradient descent (Nested Learning, eq.
// 54-57 in closed form): what is read is W - W', for
//   W' = W - sum_i eta_i (W x_i / N + d_i) x_i^T,  eta_i = lr / (1 + lr |x_i|^2)
std::unique_ptr<Level> WeightsLevel();

// phi of OptimizerConfig::Features, on rows.
Tensor ApplyFeatures(OptimizerConfig::Features features, const Tensor& x);

}  // namespace palimpsest

#endif  // OPTIM_LEVELS_H_
