#ifndef OPTIM_OPTIMIZERS_H_
#define OPTIM_OPTIMIZERS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "optim/chain.h"
#include "optim/optimizer.pb.h"

namespace palimpsest {

// A hyper-parameter: its name in the config, its default and the values it may have.
struct HyperSpec {
  std::string name;
  double value;
  enum class Range {
    kAtLeast0,
    kAbove0,
    kAtLeast1,
    kFrom0Below1,
    kFrom0To1,
    kAbove0To100,
    kFrom1To100,
    kAny
  } range;
};

using HyperValues = std::map<std::string, double>;
// Of those that are choices: an enum of the config's, or yes and no.
template <typename Enum>
Enum ChoiceOf(const HyperValues& values, const std::string& name) {
  return static_cast<Enum>(static_cast<int>(values.at(name)));
}
inline bool IsSet(const HyperValues& values, const std::string& name) {
  return values.at(name) != 0.0;
}

// An optimizer by name: what it can be told, and the chain that comes of it.
struct OptimizerSpec {
  std::vector<HyperSpec> hypers;
  Chain (*make)(const HyperValues& values);
  // What is wrong with values that are in range one by one; "" if nothing.
  std::string (*conflict)(const HyperValues& values) = nullptr;
  // It trains matrices: leaves the rest, the embedding and the head to the auxiliary optimizer.
  bool matrices_only = false;
  std::string equation = {}, source = {};  // A line each, for people.
};

// All but `chain`.
const std::map<std::string, OptimizerSpec>& OptimizerSpecs();

// What `config` says, by its name or level by level. InvalidArgument, naming `where`, for a name
// there is none of or a level that cannot be.
absl::StatusOr<std::vector<HyperSpec>> HypersOf(const OptimizerConfig& config,
                                                const std::string& where);
bool MatricesOnly(const OptimizerConfig& config);
// `values` has all hyper-parameters, in range.
absl::StatusOr<Chain> MakeChain(const OptimizerConfig& config, const HyperValues& values,
                                const std::string& where);

// The Newton-Schulz steps that the hyper-parameters under `prefix` name, on tensors as matrices.
std::function<Tensor(const Tensor&)> Orthogonalizer(const HyperValues& values,
                                                    const std::string& prefix = "");
// sqrt of an average of squares: keeps the hyper-parameter `keep`.
SecondMoment AverageOfSquares(SecondMoment::Of of, const std::string& keep, bool corrected);
// The factor of a matrix's step.
std::function<double(const Shape&)> ShapeScaleOf(OptimizerConfig::ShapeScale scale);

}  // namespace palimpsest

#endif  // OPTIM_OPTIMIZERS_H_
