#ifndef OPTIM_OPTIMIZERS_H_
#define OPTIM_OPTIMIZERS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "optim/chain.h"

namespace palimpsest {

// A hyper-parameter: its name in the config, its default and the values it may have.
struct HyperSpec {
  std::string name;
  double value;
  enum class Range { kAtLeast0, kAtLeast1, kFrom0Below1, kFrom0To1, kAny } range;
};

using HyperValues = std::map<std::string, double>;

// An optimizer by name: what it can be told, and the chain that comes of it.
struct OptimizerSpec {
  std::vector<HyperSpec> hypers;
  Chain (*make)(const HyperValues& values);
  // What is wrong with values that are in range one by one; "" if nothing.
  std::string (*conflict)(const HyperValues& values) = nullptr;
  // It trains matrices: leaves the rest, the embedding and the head to the auxiliary optimizer.
  bool matrices_only = false;
};

const std::map<std::string, OptimizerSpec>& OptimizerSpecs();

}  // namespace palimpsest

#endif  // OPTIM_OPTIMIZERS_H_
