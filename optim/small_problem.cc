#include "optim/small_problem.h"

#include <algorithm>
#include <utility>

#include "core/random.h"
#include "ops/elementwise.h"
#include "optim/optimizers.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

Tensor Random(Shape shape, int step, const std::string& name, DType dtype, double stddev) {
  return RandomNormal(std::move(shape), RandomStream(100 + step, name), dtype, stddev);
}

}  // namespace

NamedTensors Params(DType dtype) {
  return RandomTensors({{kFirst, Tensor::Empty({7, 5}, dtype)},
                        {kSecond, Tensor::Empty({5, 7}, dtype)},
                        {"blocks.0.up.bias", Tensor::Empty({7}, dtype)},
                        {"embedding.weight", Tensor::Empty({6, 5}, dtype)}},
                       1);
}

Pass RandomPass(const NamedTensors& params, int step, int64_t tokens) {
  Pass pass;
  for (const auto& [name, p] : params) {
    if (name == kFirst || name == kSecond) {
      pass.layers[name] = {Random({tokens, p.dim(1)}, step, name + ".x", p.dtype(), 1.0),
                           Random({tokens, p.dim(0)}, step, name + ".d", p.dtype(),
                                  1.0 / static_cast<double>(tokens))};
    } else {
      pass.grads[name] = Random(p.shape(), step, name, p.dtype(), 1.0);
    }
  }
  return pass;
}

Pass Scaled(Pass pass, double scale) {
  for (auto& [name, layer] : pass.layers) layer.d = Mul(layer.d, scale);
  for (auto& [name, g] : pass.grads) g = Mul(g, scale);
  return pass;
}

double LargestDistance(const NamedTensors& a, const NamedTensors& b) {
  double largest = 0.0;
  for (const auto& [name, x] : a) largest = std::max(largest, Distance(x, b.at(name)));
  return largest;
}

std::vector<std::string> OptimizerNames() {
  std::vector<std::string> names;
  for (const auto& [name, spec] : OptimizerSpecs()) names.push_back(name);
  return names;
}

}  // namespace palimpsest
