#include "optim/testing.h"

#include <cstring>

#include "core/random.h"
#include "core/tape.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "ops/linalg.h"
#include "optim/gradients.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

template <typename Message>
Message Parse(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

// All the gradients of a pass.
NamedTensors Backward(const Pass& pass, const NamedTensors& params) {
  Tape tape;
  Tensors ys, dys, weights;
  for (const auto& [name, layer] : pass.layers) weights.push_back(params.at(name));
  tape.Watch(weights);
  for (const auto& [name, layer] : pass.layers) {
    ys.push_back(MatMul(layer.x, params.at(name), {.b = true}));
    dys.push_back(layer.d);
  }
  const Tensors gradients = tape.Gradient(ys, weights, dys);
  NamedTensors grads = pass.grads;
  size_t i = 0;
  for (const auto& [name, layer] : pass.layers) grads[name] = gradients[i++];
  return grads;
}

}  // namespace

OptimizerConfig ParseConfig(const std::string& text) { return Parse<OptimizerConfig>(text); }

OptimizerConfig::Schedule ParseSchedule(const std::string& text) {
  return Parse<OptimizerConfig::Schedule>(text);
}

std::unique_ptr<Optimizer> MakeOptimizer(const std::string& config, const NamedTensors& params) {
  absl::StatusOr<std::unique_ptr<Optimizer>> optimizer =
      Optimizer::Create(ParseConfig(config), params);
  PALIMPSEST_CHECK(optimizer.ok()) << optimizer.status();
  return *std::move(optimizer);
}

NamedTensors RandomTensors(const NamedTensors& like, uint64_t seed, double stddev) {
  NamedTensors tensors;
  for (const auto& [name, x] : like) {
    tensors[name] = RandomNormal(x.shape(), RandomStream(seed, name), x.dtype(), stddev);
  }
  return tensors;
}

NamedTensors DeepCopy(const NamedTensors& tensors) {
  NamedTensors copies;
  for (const auto& [name, x] : tensors) {
    Tensor copy = Tensor::Empty(x.shape(), x.dtype());
    if (x.bytes() > 0) std::memcpy(copy.mutable_raw(), x.raw(), x.bytes());
    copies[name] = std::move(copy);
  }
  return copies;
}

void ExpectSameBits(const NamedTensors& a, const NamedTensors& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, x] : a) EXPECT_TRUE(SameBits(x, b.at(name))) << name;
}

NamedTensors CopyTo(const NamedTensors& tensors, Device device) {
  NamedTensors there;
  for (const auto& [name, x] : tensors) there[name] = CopyTo(x, device);
  return there;
}

Pass CopyTo(const Pass& pass, Device device) {
  Pass there{.layers = {}, .grads = CopyTo(pass.grads, device)};
  for (const auto& [name, layer] : pass.layers)
    there.layers[name] = {CopyTo(layer.x, device), CopyTo(layer.d, device)};
  return there;
}

UpdateResult UpdateAfter(const std::vector<Pass>& passes, const Optimizer& optimizer,
                         NamedTensors params, NamedTensors state, int64_t step,
                         const NamedTensors& hypers, StepGuard* guard) {
  double tokens = 0.0;
  for (const Pass& pass : passes) {
    if (!pass.layers.empty()) tokens += static_cast<double>(pass.layers.begin()->second.x.dim(0));
  }
  const auto pairs = optimizer.Listen(params, state, step, tokens, hypers,
                                      guard == nullptr ? Tensor() : guard->numbers);
  NamedTensors sum;
  for (const Pass& pass : passes) AccumulateGradients(sum, Backward(pass, params), 1.0);
  return optimizer.Update(std::move(params), std::move(sum), std::move(state), step, hypers,
                          pairs.get(), guard);
}

}  // namespace palimpsest
