// The gated delta rule forward and backward in f32: the fused kernel, its composition of ops and
// the loop over tokens, on the same cores. Counters: tokens a second; GFLOP/s on the algorithm's
// multiply-adds; and, in the last lines, the ratios of the best times of one run.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "core/tape.h"
#include "memory_rules/rule.h"
#include "ops/linalg.h"

namespace palimpsest {
namespace {

struct Size {
  int64_t batch, time, heads, dim;
  int64_t rows() const { return batch * time * heads; }
  // Of the kernel in chunks of c, the triangles counted as such: 4 c/2 + 3 dim products of rows
  // with rows forward, 11 c/2 + 7 dim backward, of which a third is done again.
  double Flops(int64_t c) const { return 2.0 * rows() * dim * (7.5 * c + 10.0 * dim); }
};

struct Problem {
  Sequence seq;
  State state;

  explicit Problem(const Size& n) {
    const RandomStream stream(0, "benchmark");
    const Shape gates = {n.batch, n.time, n.heads}, rows = {n.batch, n.time, n.heads, n.dim};
    const double unit = 1.0 / std::sqrt(static_cast<double>(n.dim));
    seq.q = RandomNormal(rows, stream.Fork(1), DType::kF32, unit);
    seq.k = RandomNormal(rows, stream.Fork(2), DType::kF32, unit);
    seq.v = RandomNormal(rows, stream.Fork(3), DType::kF32);
    seq.gates["log_keep"] = Tensor::Full(gates, -0.05, DType::kF32);
    seq.gates["beta"] = Tensor::Full(gates, 0.5, DType::kF32);
    state = {Tensor::Full({n.batch * n.heads, n.dim, n.dim}, 0.0, DType::kF32)};
  }
};

const MemoryRule& GatedDelta() {
  static const auto* rule = MakeMemoryRule({"gated_delta", {}})->release();
  return *rule;
}

enum Form { kFused, kComposed, kTokens };

void ForwardBackward(const Problem& p, Form form) {
  Tape tape;
  Tensors inputs = {p.seq.q,   p.seq.k, p.seq.v, p.seq.gates.at("log_keep"), p.seq.gates.at("beta"),
                    p.state[0]};
  tape.Watch(inputs);
  const ScanMode mode = form == kTokens ? ScanMode::kSteps : ScanMode::kChunks;
  const ScanResult r = form == kComposed
                           ? GatedDelta().MemoryRule::Chunks(p.seq, p.state, p.state, 64, 0)
                           : Scan(GatedDelta(), p.seq, p.state, {.mode = mode});
  benchmark::DoNotOptimize(tape.Gradient(r.y, inputs));
}

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::map<std::string, double> best;  // By name of the benchmark.

void Time(benchmark::State& bench, const std::string& name, double flops, double tokens,
          absl::FunctionRef<void()> body) {
  double& fastest = best.try_emplace(name, std::numeric_limits<double>::infinity()).first->second;
  for (auto _ : bench) {
    const double begin = Seconds();
    body();
    fastest = std::min(fastest, Seconds() - begin);
  }
  bench.counters["best_ms"] = fastest * 1e3;
  if (flops > 0) bench.counters["GFLOP/s"] = flops / fastest * 1e-9;
  if (tokens > 0) bench.counters["tokens/s"] = tokens / fastest;
}

void BM_GatedDelta(benchmark::State& bench, Form form) {
  const Size n{bench.range(0), bench.range(1), bench.range(2), bench.range(3)};
  const Problem p(n);
  const char* const names[] = {"fused", "composed", "tokens"};
  const std::string shape = absl::StrCat(n.batch, "x", n.time, "x", n.heads, "x", n.dim);
  Time(bench, absl::StrCat(names[form], " ", shape), form == kFused ? n.Flops(64) : 0.0,
       static_cast<double>(n.batch * n.time), [&] { ForwardBackward(p, form); });
  const auto ratio = [&](const char* slow) {
    const auto it = best.find(absl::StrCat(slow, " ", shape));
    if (it != best.end())
      bench.counters[absl::StrCat(slow, "/fused")] =
          it->second / best[absl::StrCat("fused ", shape)];
  };
  if (form == kFused) ratio("composed"), ratio("tokens");
}

void BM_MatMul1024(benchmark::State& bench) {
  const Tensor a = RandomNormal({1024, 1024}, RandomStream(0, "a"), DType::kF32);
  Time(bench, "matmul", 2.0 * 1024 * 1024 * 1024, 0,
       [&] { benchmark::DoNotOptimize(MatMul(a, a)); });
}

#define SHAPES ArgNames({"B", "T", "H", "D"})->Unit(benchmark::kMillisecond)->UseRealTime()
BENCHMARK(BM_MatMul1024)->Unit(benchmark::kMillisecond)->UseRealTime();
// The slow forms first: the fused one prints its ratios to them.
BENCHMARK_CAPTURE(BM_GatedDelta, tokens, kTokens)->SHAPES->Args({1, 4096, 4, 64})->Iterations(2);
BENCHMARK_CAPTURE(BM_GatedDelta, tokens, kTokens)->SHAPES->Args({64, 64, 4, 32})->Iterations(3);
BENCHMARK_CAPTURE(BM_GatedDelta, composed, kComposed)
    ->SHAPES->Args({1, 4096, 4, 64})
    ->Args({64, 64, 4, 32});
BENCHMARK_CAPTURE(BM_GatedDelta, fused, kFused)
    ->SHAPES->Args({1, 4096, 4, 64})
    ->Args({64, 64, 4, 32})
    ->Args({12, 64, 4, 32})
    ->Args({1, 4096, 8, 64})
    ->Args({1, 4096, 8, 128})
    ->Args({1, 262144, 1, 64});

}  // namespace
}  // namespace palimpsest
