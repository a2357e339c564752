#ifndef OPTIM_TESTING_H_
#define OPTIM_TESTING_H_

#include <memory>
#include <string>

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

}  // namespace palimpsest

#endif  // OPTIM_TESTING_H_
