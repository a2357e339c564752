// Rules forward and backward in f32: the fused kernel, its composition of ops and the loop over
// tokens, on the same cores. Counters: the best time of one run; tokens a second; bytes a token
// beside the inputs; GFLOP/s on the algorithm's multiply-adds and their part of what oneDNN reaches
// on a product of 1024^3, called directly; ratios to other lines of the run; and for rules that are
// no linear recurrence their time against that of the products of their composition, run alone.
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "core/allocator.h"
#include "core/parallel.h"
#include "core/tape.h"
#include "dnnl.hpp"
#include "kernels/gemm.h"
#include "memory_rules/rule.h"

namespace palimpsest {
namespace {

struct Size {
  int64_t batch, time, heads, dim;
};

struct Problem {
  std::unique_ptr<MemoryRule> rule;
  Sequence seq;
  State state;

  Problem(const std::string& name, const Size& n) : rule(*MakeMemoryRule({name})) {
    const RandomStream stream(0, "benchmark");
    const int64_t pairs = n.time * rule->pairs();
    const double unit = 1.0 / std::sqrt(static_cast<double>(n.dim));
    const auto rows = [&](int64_t time, uint64_t fork, double scale) {
      return RandomNormal({n.batch, time, n.heads, n.dim}, stream.Fork(fork), DType::kF32, scale);
    };
    seq.q = rows(n.time, 1, unit), seq.k = rows(pairs, 2, unit), seq.v = rows(pairs, 3, 1.0);
    for (const GateSpec& gate : rule->gates()) {
      Shape shape = {n.batch, gate.per_token ? n.time : pairs, n.heads};
      if (gate.scope != GateScope::kHead) shape.push_back(n.dim);
      const double value = gate.kind == GateKind::kLogDecay ? std::log(gate.init) : gate.init;
      seq.gates[gate.name] = Tensor::Full(shape, value, DType::kF32);
    }
    state = rule->Init({n.batch * n.heads, n.dim, n.dim}, DType::kF32, stream.Fork(4));
  }
};

enum Form { kChunks, kComposed, kTokens };
const char* const kForms[] = {"chunks", "composed", "tokens"};

void ForwardBackward(const Problem& p, Form form) {
  Tape tape;
  Tensors inputs = {p.seq.q, p.seq.k, p.seq.v};
  for (const auto& [name, gate] : p.seq.gates) inputs.push_back(gate);
  inputs.insert(inputs.end(), p.state.begin(), p.state.end());
  tape.Watch(inputs);
  const ScanMode mode = form == kTokens ? ScanMode::kSteps : ScanMode::kChunks;
  std::optional<ComposedScope> composed;
  if (form == kComposed) composed.emplace();
  const ScanResult r = Scan(*p.rule, p.seq, p.state, {.mode = mode});
  benchmark::DoNotOptimize(tape.Gradient(r.y, inputs));
}

// Of the recurrence in tiles of 16 tokens: a state is read by queries and erase keys and written
// once forward, and twice as often backward; between the tokens of a tile the triangles count, 4
// products of rows with rows forward and 8 backward. What is done again does not count. 0 for rules
// that are no linear recurrence.
double Flops(const std::string& rule, const Size& n) {
  const double rows = static_cast<double>(n.batch * n.time * n.heads * n.dim);
  if (rule == "titans_mlp") return 0.0;
  const double states = rule == "momentum_delta" ? 2 : 1;
  const bool erases = rule != "hebbian";
  const double d = static_cast<double>(n.dim);
  return 2.0 * rows * ((erases ? 9.0 : 6.0) * states * d + (erases ? 12.0 : 6.0) * 8.0);
}

// The matrix products of one run, which can be run again by themselves.
class GemmFloor {
 public:
  explicit GemmFloor(absl::FunctionRef<void()> body) {
    calls_ = this;
    original_ = gemm.Exchange(Device::kCpu, [](const GemmArgs& args) {
      calls_->log_.push_back(args);
      calls_->original_(args);
    });
    body();
    gemm.Exchange(Device::kCpu, original_);
    int64_t most = 0;
    for (const GemmArgs& g : log_) {
      for (const auto& [ld, strides, rows] :
           {std::tuple(g.a.ld, g.a.strides, g.trans_a ? g.k : g.m),
            std::tuple(g.b.ld, g.b.strides, g.trans_b ? g.n : g.k),
            std::tuple(g.c.ld, g.c.strides, g.m)}) {
        most = std::max(most, g.batch[0] * strides[0] + g.batch[1] * strides[1] + rows * ld);
      }
    }
    for (Tensor& t : operands_) t = Tensor::Full({most}, 1e-3, DType::kF32);
  }
  void Run() {
    for (GemmArgs g : log_) {
      g.a.data = operands_[0].raw(), g.b.data = operands_[1].raw();
      g.c.data = operands_[2].mutable_raw(), g.add = nullptr;
      original_(g);
    }
  }

 private:
  static inline GemmFloor* calls_ = nullptr;
  std::vector<GemmArgs> log_;
  void (*original_)(const GemmArgs&);
  Tensor operands_[3];
};

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::map<std::string, double> best;  // Seconds, by name of the line.
double onednn_rate = 0.0;

double Time(benchmark::State& bench, const std::string& name, absl::FunctionRef<void()> body) {
  double& fastest = best.try_emplace(name, std::numeric_limits<double>::infinity()).first->second;
  for (auto _ : bench) {
    const double begin = Seconds();
    body();
    fastest = std::min(fastest, Seconds() - begin);
  }
  bench.counters["best_ms"] = fastest * 1e3;
  return fastest;
}

void BM_OneDnn1024(benchmark::State& bench) {
  omp_set_num_threads(NumThreads());
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const dnnl::memory::desc square({1024, 1024}, dnnl::memory::data_type::f32,
                                  dnnl::memory::format_tag::ab);
  const dnnl::memory a(square, engine), b(square, engine), c(square, engine);
  for (const dnnl::memory& m : {a, b, c})
    std::fill_n(static_cast<float*>(m.get_data_handle()), 1024 * 1024, 0.5f);
#if DNNL_VERSION_MAJOR >= 3
  const dnnl::matmul product({engine, square, square, square});
#else
  const dnnl::matmul product({{square, square, square}, engine});
#endif
  const double seconds = Time(bench, "onednn", [&] {
    product.execute(stream, {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}});
    stream.wait();
  });
  onednn_rate = 2.0 * 1024 * 1024 * 1024 / seconds;
  bench.counters["GFLOP/s"] = onednn_rate * 1e-9;
}

void BM_Scan(benchmark::State& bench, const std::string& rule, Form form) {
  const Size n{bench.range(0), bench.range(1), bench.range(2), bench.range(3)};
  const Problem p(rule, n);
  const std::string shape = absl::StrCat(" ", n.batch, "x", n.time, "x", n.heads, "x", n.dim);
  const double seconds =
      Time(bench, absl::StrCat(kForms[form], " ", rule, shape), [&] { ForwardBackward(p, form); });
  const double tokens = static_cast<double>(n.batch * n.time);
  bench.counters["tokens/s"] = tokens / seconds;
  Allocator& memory = Allocator::Of(Device::kCpu);
  memory.ResetPeak();
  const int64_t before = memory.stats().live_bytes;
  ForwardBackward(p, form);
  bench.counters["bytes/token"] = static_cast<double>(memory.stats().peak_bytes - before) / tokens;
  if (form != kChunks) return;
  if (Flops(rule, n) == 0) {
    GemmFloor floor([&] { ForwardBackward(p, kComposed); });
    double least = std::numeric_limits<double>::infinity();
    for (int i = 0; i < 3; ++i) {
      const double begin = Seconds();
      floor.Run();
      least = std::min(least, Seconds() - begin);
    }
    bench.counters["gemm_floor_ms"] = least * 1e3;
    bench.counters["of_gemm_floor"] = seconds / least;
    return;
  }
  const double rate = Flops(rule, n) / seconds;
  bench.counters["GFLOP/s"] = rate * 1e-9;
  if (onednn_rate > 0) bench.counters["of_onednn"] = rate / onednn_rate;
  const auto ratio = [&](const std::string& label, const std::string& line, bool ours) {
    const auto it = best.find(line + shape);
    if (it == best.end()) return;
    bench.counters[label] = ours ? seconds / it->second : it->second / seconds;
  };
  ratio("composed/fused", absl::StrCat("composed ", rule), false);
  ratio("tokens/fused", absl::StrCat("tokens ", rule), false);
  if (rule != "gated_delta") ratio("vs_gated_delta", "chunks gated_delta", true);
}

benchmark::internal::Benchmark* Line(const std::string& rule, Form form, const Size& n) {
  const std::string name = absl::StrCat(rule, "/", kForms[form]);
  return benchmark::RegisterBenchmark(name.c_str(),
                                      [=](benchmark::State& bench) { BM_Scan(bench, rule, form); })
      ->ArgNames({"B", "T", "H", "D"})
      ->Args({n.batch, n.time, n.heads, n.dim})
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}

// The slow forms first: the fused ones print their ratios to them.
void RegisterAll() {
  benchmark::RegisterBenchmark("onednn/1024^3", BM_OneDnn1024)
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime()
      ->Iterations(20);
  Line("gated_delta", kTokens, {1, 4096, 4, 64})->Iterations(2);
  Line("gated_delta", kChunks, {1, 4096, 4, 64});
  for (int64_t dim : {64, 128}) {
    const Size n{1, 4096, 8, dim};
    for (const char* rule : {"gated_delta", "momentum_delta", "kda"}) {
      Line(rule, kComposed, n)->Iterations(2);
      Line(rule, kChunks, n);
    }
    Line("hebbian", kChunks, n);
    Line("titans_mlp", kChunks, n)->Iterations(4);
  }
  // The first run meets fresh memory.
  for (int64_t time : {4096, 32768, 262144})
    Line("gated_delta", kChunks, {1, time, 1, 64})->Iterations(5);
  Line("gated_delta", kChunks, {64, 64, 4, 32});
}

}  // namespace
}  // namespace palimpsest

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  palimpsest::RegisterAll();
  benchmark::RunSpecifiedBenchmarks();
}
