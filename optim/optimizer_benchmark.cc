// A step of each optimizer on 8M f32 values in four matrices, beside a copy of as many bytes as
// AdamW moves (seven tensors).
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "core/random.h"
#include "core/tape.h"
#include "optim/optimizer.h"

namespace palimpsest {
namespace {

constexpr int64_t kSide = 1448;

NamedTensors Matrices(const char* purpose) {
  NamedTensors tensors;
  for (const char* name : {"a", "b", "c", "d"}) {
    tensors[name] = RandomNormal({kSide, kSide}, RandomStream(1, purpose), DType::kF32);
  }
  return tensors;
}

void BM_Copy(benchmark::State& state) {
  const size_t bytes = 4 * kSide * kSide * sizeof(float) * 7 / 2;
  std::vector<char> from(bytes, 1), to(bytes);
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), bytes);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_Copy)->UseRealTime()->Unit(benchmark::kMillisecond);

void Step(benchmark::State& state, const std::string& name, bool composed) {
  std::optional<ComposedScope> scope;
  if (composed) scope.emplace();
  OptimizerConfig config;
  config.set_name(name);
  config.set_clip_norm(1.0);
  UpdateResult r{.params = Matrices("params"), .state = {}};
  const auto optimizer = Optimizer::Create(config, r.params);
  const NamedTensors grads = Matrices("grads");
  r.state = (*optimizer)->Init(r.params);
  int64_t step = 0;
  for (auto _ : state) {
    r = (*optimizer)->Update(std::move(r.params), grads, std::move(r.state), step++);
  }
}
BENCHMARK_CAPTURE(Step, adamw, "adamw", false)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Step, adamw_composed, "adamw", true)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Step, sgd, "sgd", false)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Step, muon, "muon", false)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace palimpsest
