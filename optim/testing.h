#ifndef OPTIM_TESTING_H_
#define OPTIM_TESTING_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "optim/optimizer.h"
#include "optim/optimizer.pb.h"

namespace palimpsest {

// From text format; a mistake in it fails the test.
OptimizerConfig ParseConfig(const std::string& text);
OptimizerConfig::Schedule ParseSchedule(const std::string& text);

// That of `config`, which must be valid.
std::unique_ptr<Optimizer> MakeOptimizer(const std::string& config, const NamedTensors& params);

// Normal tensors with the names, shapes and dtypes of `like`.
NamedTensors RandomTensors(const NamedTensors& like, uint64_t seed, double stddev = 1.0);

// Copies that share no buffer.
NamedTensors DeepCopy(const NamedTensors& tensors);

void ExpectSameBits(const NamedTensors& a, const NamedTensors& b);

// All of them on `device`.
NamedTensors CopyTo(const NamedTensors& tensors, Device device);

// A linear layer y = x W^T in a backward pass: x [tokens, in] and d [tokens, out], the gradient of
// the loss, which is a mean over all tokens of a step, at y.
struct LayerPass {
  Tensor x, d;
};
// What a backward pass comes by: layers, by the name of the weight, and gradients of the rest.
struct Pass {
  std::map<std::string, LayerPass> layers = {};
  NamedTensors grads = {};
};

Pass CopyTo(const Pass& pass, Device device);

// The update after these passes, whose gradients add up.
UpdateResult UpdateAfter(const std::vector<Pass>& passes, const Optimizer& optimizer,
                         NamedTensors params, NamedTensors state, int64_t step,
                         const NamedTensors& hypers = {}, StepGuard* guard = nullptr);

}  // namespace palimpsest

#endif  // OPTIM_TESTING_H_
