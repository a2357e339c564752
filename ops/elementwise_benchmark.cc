// Time of small ops, as a training step runs them by the thousand: alone, and recorded on a tape
// with the backward pass.
#include <algorithm>
#include <chrono>
#include <limits>

#include "benchmark/benchmark.h"
#include "core/tape.h"
#include "ops/elementwise.h"
#include "ops/norm.h"
#include "ops/reduce.h"
#include "ops/softmax.h"

namespace palimpsest {
namespace {

Tensor Input(const benchmark::State& state) {
  return Tensor::Full({state.range(0) / 64, 64}, 0.5, DType::kF32);
}

void AddOp(benchmark::State& state) {
  const Tensor x = Input(state), y = Input(state);
  for (auto _ : state) benchmark::DoNotOptimize(Add(x, y).raw());
}
BENCHMARK(AddOp)->RangeMultiplier(8)->Range(64, 1 << 18);

void MulRow(benchmark::State& state) {
  const Tensor x = Input(state), y = Tensor::Full({64}, 0.5, DType::kF32);
  for (auto _ : state) benchmark::DoNotOptimize(Mul(x, y).raw());
}
BENCHMARK(MulRow)->RangeMultiplier(8)->Range(64, 1 << 18);

void SiluOp(benchmark::State& state) {
  const Tensor x = Input(state);
  for (auto _ : state) benchmark::DoNotOptimize(Silu(x).raw());
}
BENCHMARK(SiluOp)->RangeMultiplier(8)->Range(64, 1 << 18);

void SumRows(benchmark::State& state) {
  const Tensor x = Input(state);
  for (auto _ : state) benchmark::DoNotOptimize(Sum(x, {-1}).raw());
}
BENCHMARK(SumRows)->RangeMultiplier(8)->Range(64, 1 << 18);

void SumColumns(benchmark::State& state) {
  const Tensor x = Input(state);
  for (auto _ : state) benchmark::DoNotOptimize(Sum(x, {0}).raw());
}
BENCHMARK(SumColumns)->RangeMultiplier(8)->Range(64, 1 << 18);

void RmsNormOp(benchmark::State& state) {
  const Tensor x = Input(state), weight = Tensor::Full({64}, 0.5, DType::kF32);
  for (auto _ : state) benchmark::DoNotOptimize(RmsNorm(x, weight).raw());
}
BENCHMARK(RmsNormOp)->RangeMultiplier(8)->Range(64, 1 << 18);

void SoftmaxOp(benchmark::State& state) {
  const Tensor x = Input(state);
  for (auto _ : state) benchmark::DoNotOptimize(Softmax(x).raw());
}
BENCHMARK(SoftmaxOp)->RangeMultiplier(8)->Range(64, 1 << 18);

// silu(x y + x) and its gradient: three ops forward, five backward.
void ForwardBackward(benchmark::State& state) {
  const Tensor x = Input(state), y = Input(state);
  const Tensors xs = {x, y};
  for (auto _ : state) {
    Tape tape;
    tape.Watch(xs);
    benchmark::DoNotOptimize(tape.Gradient(Silu(Add(Mul(x, y), x)), xs));
  }
}
BENCHMARK(ForwardBackward)->RangeMultiplier(8)->Range(64, 1 << 18);

// silu(x) y and its gradients, fused and in ops; `vs_composed` is the ratio of their best times of
// one run.
void SiluMulOp(benchmark::State& state) {
  const Tensor x = Input(state), y = Input(state);
  const Tensors xs = {x, y};
  const auto seconds = [&] {
    const auto start = std::chrono::steady_clock::now();
    Tape tape;
    tape.Watch(xs);
    benchmark::DoNotOptimize(tape.Gradient(SiluMul(x, y), xs));
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  double fused = std::numeric_limits<double>::infinity(), composed = fused;
  for (auto _ : state) {
    const double best = seconds();
    state.SetIterationTime(best);
    fused = std::min(fused, best);
    const ComposedScope scope;
    composed = std::min(composed, seconds());
  }
  state.counters["vs_composed"] = composed / fused;
}
BENCHMARK(SiluMulOp)->RangeMultiplier(16)->Range(64, 1 << 22)->UseManualTime();

}  // namespace
}  // namespace palimpsest
