#ifndef OPTIM_CHAIN_H_
#define OPTIM_CHAIN_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "optim/level.h"

namespace palimpsest {

// Hyper-parameters every chain has: "lr", here that of the step, and "weight_decay".
struct ChainStep {
  int64_t step;  // Updates before this one: for a chain that has phases.
  Tensor steps;  // f64 [], the host's or where the parameters are: with this one.
  const Hypers& hypers;
  // f64 scalar, where the parameters are; gradients are multiplied by it first. NaN: kernels leave
  // everything as it is.
  const Tensor& grad_scale;
  const Tensors& sums;  // Over all parameters, those that Chain::Sums gave.
};

// Scaling by an average of squares: u <- u / (sqrt(v) + eps), with the hyper-parameter "eps".
struct SecondMoment {
  std::shared_ptr<const Level> level;  // A memory of squares.
  enum class Of { kGradient, kNormalizedKeys, kUpdate } of = Of::kGradient;
  // Of an average in the slot "v" that nothing but the step needs: the hyper-parameter it keeps,
  // and whether it is corrected for its start at 0. Then scaling and step may be one pass.
  std::string keep = {};
  bool corrected = false;
  bool by_row = false;  // One number a row: the mean of its squares (Li et al. 2025, "NorMuon").
  // u has afterwards the norm it had before, or as much as 0.2 for each entry ("AdaMuon").
  enum class Rescale { kNone, kKeepNorm, kRootMeanSquare } rescale = Rescale::kNone;
};

// How one parameter is trained: levels, then scaling by a second moment, then a step down with
// decay:
//   u = level_n(... level_1(g)) or sum_i weight_i level_i(g);  u <- u / (sqrt(v) + eps)
//   p <- (1 - lr weight_decay) p - lr step_scale u
struct Chain {
  std::vector<std::shared_ptr<const Level>> levels;
  bool summed = false;
  std::vector<std::string> weights = {};  // In a sum: hyper-parameters; "" is 1.
  std::optional<SecondMoment> second_moment = {};
  std::function<double(const Shape&)> step_scale = {};
  // What the levels read out is the step itself, not a direction: it is not multiplied by lr.
  bool whole_steps = false;
  // Of the weights, as above, or added to the gradient: g + weight_decay p.
  enum class Decay { kOfWeights, kOfGradient } decay = Decay::kOfWeights;

  // Many parameters' updates in a kernel or two, in place where the tensors are no one else's.
  // Taken where a device has them and no tape looks on; what stands above is its oracle.
  struct FusedJob {
    Tensor& param;  // Of a bf16 parameter, the master copy.
    Tensor* low;    // The bf16 parameter, or nullptr.
    const Tensor& gradient;
    NamedTensors& state;
    const ChainStep& step;
  };
  struct Fused {
    bool (*has)(Device);
    // On one device. What no one else holds stays where it is.
    void (*update)(absl::Span<const FusedJob>);
  };
  const Fused* fused = nullptr;

  // State by slot, "m"; of a bf16 parameter also "master", its f32 copy, which is what is trained.
  NamedTensors Init(const Tensor& param) const;
  // Whether `fused` can do an update. It does it for all the parameters it trains, or for none.
  bool MayFuse(const Tensor& param, const Signal& signal, const NamedTensors& state,
               const ChainStep& step) const;
  // What kernels are to do for `param`; not for a bf16 one without its master copy.
  static FusedJob JobOf(Tensor& param, const Signal& signal, NamedTensors& state,
                        const ChainStep& step);
  // By levels. `signal` has the gradient and, of an activation-keyed level, the sums of pairs.
  void Update(Tensor& param, Signal signal, NamedTensors& state, const ChainStep& step) const;
  // f64 scalars to be added up over all parameters before any is updated.
  Tensors Sums(const Tensor& param, Signal signal, const NamedTensors& state,
               const ChainStep& step) const;
  std::optional<PairRequest> ListenTo(const Tensor& param, double tokens, const Hypers& hypers,
                                      const NamedTensors& state) const;
  // Of its levels, in their order: two steps of the same phases are the same but for numbers.
  std::vector<int64_t> Phases(int64_t step) const;
  // Whether, where pairs are listened to, the gradient itself is used.
  bool UsesGradient() const;

 private:
  bool ScalesInStep(const Tensor& param, const Signal& signal, const NamedTensors& state,
                    const ChainStep& step) const;
  Signal Prepare(const Tensor& param, Signal signal, const ChainStep& step) const;
  void ByLevels(Tensor& param, Signal signal, NamedTensors& state, const ChainStep& step) const;
  Tensor ReadLevels(const Signal& signal, NamedTensors& state, const ChainStep& step) const;
  // The squares of what are averaged, where the levels read out u.
  const Tensor& Squared(const Signal& signal, const Tensor& u) const;
  Tensor Scaled(const Tensor& u, const Signal& signal, NamedTensors& state,
                const ChainStep& step) const;
  // sqrt(v) + eps.
  Tensor Divisor(const Tensor& of, NamedTensors& state, const ChainStep& step) const;
};

}  // namespace palimpsest

#endif  // OPTIM_CHAIN_H_
