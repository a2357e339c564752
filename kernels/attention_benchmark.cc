// Causal attention, forward and backward, fused against its composition of ops: `vs_composed` is
// the ratio of the best times of one run, `composed_ms` the composition's time.

#include <algorithm>
#include <chrono>

#include "absl/functional/function_ref.h"
#include "benchmark/benchmark.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/tape.h"
#include "ops/attention.h"

namespace palimpsest {
namespace {

double Seconds(absl::FunctionRef<void()> f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void ForwardAndBackward(const Tensors& x, const Tensor& dy) {
  Tape tape;
  tape.Watch(x);
  tape.Gradient(CausalAttention(x[0], x[1], x[2]), x, dy);
}

// Arguments: batch, time, heads, dim, threads.
void Attention(benchmark::State& state) {
  SetNumThreads(static_cast<int>(state.range(4)));
  const Shape shape{state.range(0), state.range(1), state.range(2), state.range(3)};
  const auto normal = [&](const char* name) {
    return RandomNormal(shape, RandomStream(0, name), DType::kF32);
  };
  const Tensors x{normal("q"), normal("k"), normal("v")};
  const Tensor dy = normal("dy");
  double fused = 1e9, composed = 1e9;
  for (auto _ : state) {
    const double seconds = Seconds([&] { ForwardAndBackward(x, dy); });
    state.SetIterationTime(seconds);
    fused = std::min(fused, seconds);
    const ComposedScope scope;
    composed = std::min(composed, Seconds([&] { ForwardAndBackward(x, dy); }));
  }
  state.counters["best_ms"] = fused * 1e3;
  state.counters["composed_ms"] = composed * 1e3;
  state.counters["vs_composed"] = composed / fused;
}

BENCHMARK(Attention)
    ->UseManualTime()
    ->Args({1, 1024, 4, 64, 1})
    ->Args({1, 1024, 4, 64, 2})
    ->Args({12, 64, 4, 32, 1})
    ->Args({12, 64, 4, 32, 2});

}  // namespace
}  // namespace palimpsest
