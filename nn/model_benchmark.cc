// Tokens per second of a training step's forward and backward: 4 layers, width 128, 12 x 64 tokens.
#include <string>

#include "benchmark/benchmark.h"
#include "core/parallel.h"
#include "core/tape.h"
#include "nn/testing.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

constexpr int64_t kBatch = 12, kTime = 64;

std::unique_ptr<LanguageModel> MakeModel(const std::string& block) {
  auto model = LanguageModel::Create(ParseModel("vocab_size: 256 width: 128 layers: 4 " + block),
                                     RandomStream(1, "init"));
  PALIMPSEST_CHECK(model.ok()) << model.status().ToString();
  return *std::move(model);
}

void ForwardBackward(benchmark::State& state, const std::string& block) {
  SetNumThreads(static_cast<int>(state.range(0)));
  const auto model = MakeModel(block);
  const Tensor tokens = RandomTokens(kBatch, kTime);
  const NamedTensors params = Params(*model);
  for (auto _ : state) {
    Tape tape;
    tape.Watch(params);
    const Tensor loss = CrossEntropy(model->Forward(tokens).logits, tokens);
    benchmark::DoNotOptimize(tape.Gradient(loss, params));
  }
  state.SetItemsProcessed(state.iterations() * kBatch * kTime);
}

// One token after the other, from carried state.
void Generate(benchmark::State& state, const std::string& block) {
  SetNumThreads(1);
  const auto model = MakeModel(block);
  const Tensor token = RandomTokens(1, 1);
  ForwardResult r = model->Forward(RandomTokens(1, kTime));
  const NamedTensors prompt = r.state;
  for (auto _ : state) {
    if (r.state.at("position").Item() == 2 * kTime) r.state = prompt;
    r = model->Forward(token, {.state = std::move(r.state)});
  }
  state.SetItemsProcessed(state.iterations());
}

int RegisterAll() {
  const std::string attention = "block { attention {} } ";
  const std::vector<std::pair<std::string, std::string>> blocks = {
      {"attention", attention},
      {"gated_delta", "block { memory { rule { name: 'gated_delta' } } }"},
      {"titans_mlp", "block { memory { rule { name: 'titans_mlp' } } }"},
      {"attention_delta_residual", attention + "residual { kind: DELTA }"},
      {"attention_delta_residual_cc4", attention + "residual { kind: DELTA channels: 4 }"},
      {"attention_delta_residual_tc4",
       attention + "residual { kind: DELTA channels: 4 compressor: TC }"},
      {"hope_mlp", "block { memory { rule { name: 'hope_mlp' } } }"},
      {"self_modifying", "block { self_modifying {} }"},
      {"self_modifying_linear", "block { self_modifying { structure: LINEAR } }"},
      {"self_modifying_static",
       "block { self_modifying { structure: LINEAR k: STATIC v: STATIC eta: STATIC keep: STATIC } "
       "}"},
  };
  for (const auto& entry : blocks) {
    const std::string &name = entry.first, &block = entry.second;
    const auto train = [block](benchmark::State& state) { ForwardBackward(state, block); };
    benchmark::RegisterBenchmark(("forward_backward/" + name).c_str(), train)
        ->ArgName("threads")
        ->Arg(1)
        ->Arg(2)
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
    const auto generate = [block](benchmark::State& state) { Generate(state, block); };
    benchmark::RegisterBenchmark(("generate/" + name).c_str(), generate)->UseRealTime();
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
