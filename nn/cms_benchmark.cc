// What a level costs beside the MLP it stands for: forward and backward of a block that is nothing
// else, by turns with the plain one. of_mlp: the ratio of the fastest turns.
#include <algorithm>
#include <chrono>
#include <limits>
#include <string>

#include "benchmark/benchmark.h"
#include "core/parallel.h"
#include "core/tape.h"
#include "nn/testing.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

constexpr int64_t kBatch = 4, kTime = 512;

class Model {
 public:
  explicit Model(const std::string& block) {
    auto model = LanguageModel::Create(
        ParseModel("vocab_size: 11 width: 128 layers: 2 block { " + block + " }"),
        RandomStream(1, "init"));
    PALIMPSEST_CHECK(model.ok()) << model.status().ToString();
    model_ = *std::move(model);
    params_ = Params(*model_);
  }
  // Seconds of a turn.
  double Turn() const {
    const auto start = std::chrono::steady_clock::now();
    Tape tape;
    tape.Watch(params_);
    const Tensor loss = CrossEntropy(model_->Forward(tokens_).logits, tokens_);
    benchmark::DoNotOptimize(tape.Gradient(loss, params_));
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

 private:
  const Tensor tokens_ = RandomTokens(kBatch, kTime);
  std::unique_ptr<LanguageModel> model_;
  NamedTensors params_;
};

void BesideMlp(benchmark::State& state, const std::string& cms) {
  SetNumThreads(1);
  const Model mlp("mlp {}"), levels("cms { " + cms + " }");
  double fastest_mlp = std::numeric_limits<double>::infinity(), fastest = fastest_mlp;
  for (auto _ : state) {
    fastest_mlp = std::min(fastest_mlp, mlp.Turn());
    const double seconds = levels.Turn();
    fastest = std::min(fastest, seconds);
    state.SetIterationTime(seconds);
  }
  state.SetItemsProcessed(state.iterations() * kBatch * kTime);
  state.counters["of_mlp"] = fastest / fastest_mlp;
}

int RegisterAll() {
  const auto add = [](const std::string& name, const std::string& cms) {
    const auto run = [cms](benchmark::State& state) { BesideMlp(state, cms); };
    benchmark::RegisterBenchmark(name.c_str(), run)->UseManualTime()->Unit(benchmark::kMillisecond);
  };
  add("static", "level {}");
  for (const char* writes : {"THROUGH", "FIRST_ORDER"}) {
    for (const char* period : {"8", "32", "128", "511"})
      add(std::string(writes) + "/period:" + period,
          std::string("writes: ") + writes + " level { period: " + period + " }");
  }
  return 0;
}

}  // namespace
}  // namespace palimpsest

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  palimpsest::RegisterAll();
  benchmark::RunSpecifiedBenchmarks();
}
