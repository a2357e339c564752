// A step of each optimizer on four matrices of 2M f32 values, with clipping, beside AdamW's and a
// copy in the same run. `of_adamw`: its time over AdamW's. `of_copy`: the bytes that have to be
// read and written (the parameters, their state, the gradients twice) a second, over those of
// memcpy on as many threads. `composed`: the time of its definition, of ops, over its own. All at
// their best.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "benchmark/benchmark.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/tape.h"
#include "ops/elementwise.h"
#include "ops/linalg.h"
#include "optim/optimizer.h"
#include "optim/optimizers.h"
#include "optim/pair_sums_tap.h"

namespace palimpsest {
namespace {

constexpr int64_t kSide = 1448, kTokens = 2048;

// Drawing more would take longer than the steps.
NamedTensors Matrices() {
  static const auto* const drawn =
      new Tensor(RandomNormal({kSide, kSide}, RandomStream(1, "w"), DType::kF32));
  NamedTensors tensors;
  double scale = 1.0;
  for (const char* name : {"a", "b", "c", "d"}) tensors[name] = Mul(*drawn, scale *= -0.9);
  return tensors;
}

double Seconds(const std::function<void()>& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// An optimizer, its parameters and what a backward pass told of them.
class Training {
 public:
  explicit Training(const std::string& name) {
    OptimizerConfig config;
    config.set_name(name);
    config.set_clip_norm(1.0);
    r_.params = Matrices();
    auto optimizer = Optimizer::Create(config, r_.params);
    PALIMPSEST_CHECK(optimizer.ok()) << optimizer.status();
    optimizer_ = *std::move(optimizer);
    r_.state = optimizer_->Init(r_.params);
    pairs_ = optimizer_->Listen(r_.params, r_.state, 0, kTokens);
    Backward();
    moved_ = static_cast<double>(2 * TotalBytes(r_.params) + 2 * TotalBytes(r_.state) +
                                 2 * TotalBytes(grads_));
  }

  void Step() {
    r_ = optimizer_->Update(std::move(r_.params), grads_, std::move(r_.state), step_++, {},
                            pairs_.get());
  }
  double moved() const { return moved_; }

 private:
  void Backward() {
    const Tensor x = RandomNormal({kTokens, kSide}, RandomStream(1, "x"), DType::kF32),
                 dy = RandomNormal({kTokens, kSide}, RandomStream(1, "dy"), DType::kF32,
                                   1.0 / kTokens);
    Tape tape;
    tape.Watch(r_.params);
    Tensors ys, dys;
    for (const auto& [name, w] : r_.params) {
      ys.push_back(MatMul(x, w, {.b = true}));
      dys.push_back(dy);
    }
    Tensors weights;
    for (const auto& [name, w] : r_.params) weights.push_back(w);
    const Tensors gradients = tape.Gradient(ys, weights, dys);
    size_t i = 0;
    for (const auto& [name, w] : r_.params) grads_[name] = gradients[i++];
  }

  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<PairSumsTap> pairs_;
  UpdateResult r_;
  NamedTensors grads_;
  int64_t step_ = 0;
  double moved_ = 0.0;
};

void Copy(const NamedTensors& from, NamedTensors& to) {
  for (const auto& [name, x] : from) {
    const char* a = static_cast<const char*>(x.raw());
    char* b = static_cast<char*>(to.at(name).mutable_raw());
    ParallelFor(x.bytes(), int64_t{1} << 20, [&](int64_t begin, int64_t end) {
      std::memcpy(b + begin, a + begin, end - begin);
    });
  }
}

void Step(benchmark::State& state, const std::string& name) {
  static auto* const adamw = new Training("adamw");
  static const auto* const from = new NamedTensors(Matrices());
  static auto* const to = new NamedTensors(Matrices());
  Training it(name), composed(name);
  constexpr double kNever = std::numeric_limits<double>::infinity();
  double its = kNever, of_ops = kNever, adamws = kNever, copys = kNever;
  for (int i = 0; i < 2; ++i) {
    const ComposedScope scope;
    of_ops = std::min(of_ops, Seconds([&] { composed.Step(); }));
  }
  it.Step();
  for (auto _ : state) {
    const double seconds = Seconds([&] { it.Step(); });
    its = std::min(its, seconds);
    adamws = std::min(adamws, Seconds([] { adamw->Step(); }));
    copys = std::min(copys, Seconds([] { Copy(*from, *to); }));
    state.SetIterationTime(seconds);
  }
  const double copied = static_cast<double>(2 * TotalBytes(*from));
  state.counters["of_adamw"] = its / adamws;
  state.counters["of_copy"] = it.moved() / its / (copied / copys);
  state.counters["composed"] = of_ops / its;
}

[[maybe_unused]] const bool registered = [] {
  for (const auto& [name, spec] : OptimizerSpecs()) {
    benchmark::RegisterBenchmark(name.c_str(), Step, name)
        ->UseManualTime()
        ->Iterations(spec.matrices_only ? 3 : 12)
        ->Unit(benchmark::kMillisecond);
  }
  return true;
}();

}  // namespace
}  // namespace palimpsest
