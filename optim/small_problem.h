#ifndef OPTIM_SMALL_PROBLEM_H_
#define OPTIM_SMALL_PROBLEM_H_

#include <string>
#include <vector>

#include "core/tensor.h"
#include "optim/testing.h"

namespace palimpsest {

// What every optimizer is tested on: two linear layers, and what optimizers of matrices leave to
// another.
inline constexpr char kFirst[] = "blocks.0.up.weight", kSecond[] = "blocks.0.down.weight";
NamedTensors Params(DType dtype = DType::kF32);

// What a backward pass over `tokens` tokens comes by at `step`.
Pass RandomPass(const NamedTensors& params, int step, int64_t tokens = 9);
// That of a loss times `scale`.
Pass Scaled(Pass pass, double scale);

double LargestDistance(const NamedTensors& a, const NamedTensors& b);

// All there are.
std::vector<std::string> OptimizerNames();

}  // namespace palimpsest

#endif  // OPTIM_SMALL_PROBLEM_H_
