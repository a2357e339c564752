#include "optim/testing.h"

#include <cstring>

#include "core/random.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

namespace palimpsest {
namespace {

template <typename Message>
Message Parse(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
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

}  // namespace palimpsest
