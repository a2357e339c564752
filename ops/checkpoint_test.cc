#include "ops/checkpoint.h"

#include <utility>

#include "core/allocator.h"
#include "core/random.h"
#include "core/tape.h"
#include "gtest/gtest.h"
#include "ops/elementwise.h"
#include "ops/linalg.h"
#include "ops/reduce.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

Tensor Normal(Shape shape, uint64_t seed) {
  return RandomNormal(std::move(shape), RandomStream(seed, "checkpoint test"), DType::kF64);
}

// A layer that takes its weight from outside of its inputs.
std::function<Tensors(const Tensors&)> Layer(const Tensor& weight) {
  return [weight](const Tensors& x) { return Tensors{Tanh(MatMul(x[0], weight))}; };
}

Tensor Call(const std::function<Tensors(const Tensors&)>& f, const Tensors& x, bool checkpoint) {
  return (checkpoint ? Checkpoint(f, x) : f(x))[0];
}

void ExpectSameBits(const Tensors& a, const Tensors& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(SameBits(a[i], b[i])) << i;
}

TEST(Checkpoint, SameBitsOfInputsAndCapturedTensors) {
  const Tensor x = Normal({3, 4}, 0), weight = Normal({4, 4}, 1);
  const auto gradients = [&](bool checkpoint) {
    Tape tape;
    tape.Watch(Tensors{x, weight});
    const Tensor y = Call(Layer(weight), {x}, checkpoint);
    Tensors all = tape.Gradient(Exp(y), Tensors{x, weight});
    all.push_back(y);
    return all;
  };
  ExpectSameBits(gradients(true), gradients(false));
}

TEST(Checkpoint, NestedWithSeveralOutputs) {
  const Tensor x = Normal({3, 4}, 0), weight = Normal({4, 4}, 1);
  const auto gradients = [&](bool checkpoint) {
    const auto f = [&](const Tensors& in) {
      const Tensor inner = Call(Layer(weight), {in[0]}, checkpoint);
      return Tensors{Mul(inner, in[1]), Exp(inner), in[0]};
    };
    Tape tape;
    tape.Watch(Tensors{x, weight});
    // The same tensor twice, one output unused, one an input passed through.
    const Tensors y = checkpoint ? Checkpoint(f, {x, x}) : f({x, x});
    return tape.Gradient(Add(y[0], y[2]), Tensors{x, weight});
  };
  ExpectSameBits(gradients(true), gradients(false));
}

TEST(Checkpoint, SecondDerivative) {
  const auto f = [](const Tensors& x) { return Call(Layer(x[1]), {x[0]}, true); };
  CheckGradient(f, {Normal({3, 4}, 0), Normal({4, 4}, 1)});
  CheckSecondGradient(f, {Normal({3, 4}, 0), Normal({4, 4}, 1)});
}

TEST(Checkpoint, WithoutATape) {
  const Tensor x = Normal({3, 4}, 0), weight = Normal({4, 4}, 1);
  ExpectSameBits(Checkpoint(Layer(weight), {x}), Layer(weight)({x}));
}

TEST(Checkpoint, IntegerInputsAndUntrackedOnes) {
  const Tensor x = Normal({3}, 0), mask = Tensor::FromVector({3}, {1, 0, 1}, DType::kI32);
  Tape tape;
  tape.Watch(x);
  const Tensor y = Checkpoint([](const Tensors& in) { return Tensors{Where(in[0], in[1], in[2])}; },
                              {mask, x, Normal({3}, 1)})[0];
  EXPECT_EQ(tape.Gradient(y, Tensors{x})[0].ToVector(), std::vector<double>({1, 0, 1}));
}

int64_t PeakOf(bool checkpoint) {
  const int64_t n = 32, layers = 64;
  const Tensor x = Normal({n, n}, 0), weight = Normal({n, n}, 1);
  const auto block = [&](const Tensors& in) {
    Tensor y = in[0];
    for (int64_t i = 0; i < 8; ++i) y = Tanh(MatMul(y, weight));
    return Tensors{y};
  };
  Allocator& memory = Allocator::Of(Device::kCpu);
  const int64_t before = memory.stats().live_bytes;
  memory.ResetPeak();
  Tape tape;
  tape.Watch(weight);
  Tensor y = x;
  for (int64_t i = 0; i < layers / 8; ++i) y = Call(block, {y}, checkpoint);
  tape.Gradient(Sum(y), Tensors{weight});
  return (memory.stats().peak_bytes - before) / x.bytes();
}

TEST(Checkpoint, PeakMemoryFalls) {
  const int64_t without = PeakOf(false), with = PeakOf(true);
  EXPECT_LT(2 * with, without) << "matrices at the peak";
}

TEST(Checkpoint, FailuresNameTheOpInside) {
  const Tensor x = Normal({3, 4}, 0);
  EXPECT_DEATH(Checkpoint(Layer(x), {x}), "matmul in checkpoint");
}

}  // namespace
}  // namespace palimpsest
