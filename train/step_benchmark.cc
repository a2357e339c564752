// What an optimizer costs a training step: a model of Llama's blocks (width 384, 6 layers, batch 8
// x 256, f32), forward, backward and update, with each of the optimizers named on the command line
// after adamw. They take turns, step by step, so that all see the same machine; printed are the
// least and the median time of a step, the median of the ratios to adamw's step of the same turn,
// what the update alone takes, and the optimizer's bytes of state.
//   bazel run //train:step_benchmark -- [turns] [vocabulary] [optimizer config...]
// The vocabulary is of bytes, 256, unless another is given; Llama 2 has 32000.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "core/tape.h"
#include "google/protobuf/text_format.h"
#include "nn/model.h"
#include "ops/ops.h"
#include "optim/optimizer.h"

namespace palimpsest {
namespace {

constexpr int64_t kBatch = 8, kTime = 256;
constexpr const char* kDefaults[] = {
    "name: 'sgd'",
    "name: 'lion'",
    "name: 'am_adamw'",
    "name: 'muon'",
    "name: 'normuon'",
    "name: 'm3'",
    "name: 'delta_sgd'",
    "name: 'delta_adamw' second_moment: NORMALIZED_KEYS",
    "name: 'delta_adamw' second_moment: GRADIENT",
    "name: 'delta_muon'",
};

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double Median(std::vector<double> x) {
  std::nth_element(x.begin(), x.begin() + static_cast<int64_t>(x.size() / 2), x.end());
  return x[x.size() / 2];
}

// One model in training.
class Run {
 public:
  Run(int64_t vocab, const std::string& config) : config_(config) {
    ModelConfig model;
    PALIMPSEST_CHECK(google::protobuf::TextFormat::ParseFromString(
        "width: 384 layers: 6 block { attention { heads: 6 } mlp {} }", &model));
    model.set_vocab_size(vocab);
    OptimizerConfig optimizer;
    PALIMPSEST_CHECK(google::protobuf::TextFormat::ParseFromString(config, &optimizer)) << config;
    optimizer.set_clip_norm(1.0);
    auto made = LanguageModel::Create(model, RandomStream(1, "init"));
    PALIMPSEST_CHECK(made.ok()) << made.status();
    model_ = *std::move(made);
    params_ = Params(*model_);
    auto created = Optimizer::Create(optimizer, params_);
    PALIMPSEST_CHECK(created.ok()) << created.status();
    optimizer_ = *std::move(created);
    state_ = optimizer_->Init(params_);
  }

  void Step(const Tensor& tokens) {
    const double start = Now();
    const auto pairs = optimizer_->Listen(params_, state_, step_, kBatch * kTime);
    NamedTensors grads;
    {
      Tape tape;
      tape.Watch(params_);
      model_->ForEachParam([&](const std::string& path, Tensor& p) { p = params_.at(path); });
      const Tensor loss = CrossEntropy(model_->Forward(tokens).logits, tokens);
      grads = tape.Gradient(loss, params_);
    }
    const Tensor lent = Tensor::Empty({0}, DType::kF32);
    model_->ForEachParam([&](const std::string&, Tensor& p) { p = lent; });
    const double before_update = Now();
    UpdateResult r = optimizer_->Update(std::move(params_), std::move(grads), std::move(state_),
                                        step_++, {}, pairs.get());
    params_ = std::move(r.params), state_ = std::move(r.state);
    const double end = Now();
    steps_.push_back(end - start), updates_.push_back(end - before_update);
  }

  // Steps after the first, which fills the caches.
  std::vector<double> steps() const { return {steps_.begin() + 1, steps_.end()}; }
  double update() const { return Median({updates_.begin() + 1, updates_.end()}); }
  int64_t state_bytes() const { return TotalBytes(state_); }
  const std::string& config() const { return config_; }

 private:
  const std::string config_;
  std::unique_ptr<LanguageModel> model_;
  std::unique_ptr<Optimizer> optimizer_;
  NamedTensors params_, state_;
  int64_t step_ = 0;
  std::vector<double> steps_, updates_;
};

void Report(const Run& run, const std::vector<double>& base) {
  const std::vector<double> steps = run.steps();
  std::vector<double> ratios;
  for (size_t i = 0; i < steps.size(); ++i) ratios.push_back(steps[i] / base[i]);
  std::printf(
      "%-52s %8.1f %8.1f %8.3f %8.3f %8.1f %8.1f\n", run.config().c_str(),
      1e3 * *std::min_element(steps.begin(), steps.end()), 1e3 * Median(steps),
      *std::min_element(steps.begin(), steps.end()) / *std::min_element(base.begin(), base.end()),
      Median(ratios), 1e3 * run.update(), 1e-6 * static_cast<double>(run.state_bytes()));
}

void Main(int turns, int64_t vocab, std::vector<std::string> configs) {
  Tensor tokens = Tensor::Empty({kBatch, kTime}, DType::kI32);
  for (int64_t i = 0; i < tokens.size(); ++i)
    tokens.mutable_data<int32_t>()[i] = static_cast<int32_t>((i * 2654435761u >> 8) % vocab);
  configs.insert(configs.begin(), "name: 'adamw'");
  std::vector<std::unique_ptr<Run>> runs;
  for (const std::string& config : configs) runs.push_back(std::make_unique<Run>(vocab, config));
  for (int turn = 0; turn <= turns; ++turn) {
    for (const auto& run : runs) run->Step(tokens);
  }
  std::printf("%-52s %8s %8s %8s %8s %8s %8s\n", "", "least ms", "median", "/ adamw", "median/",
              "update", "state MB");
  for (const auto& run : runs) Report(*run, runs[0]->steps());
}

}  // namespace
}  // namespace palimpsest

int main(int argc, char** argv) {
  std::vector<std::string> configs(argv + std::min(argc, 3), argv + argc);
  if (configs.empty())
    configs.assign(std::begin(palimpsest::kDefaults), std::end(palimpsest::kDefaults));
  const auto number = [&](int i, int value) { return argc > i ? std::atoi(argv[i]) : value; };
  if (number(1, 10) < 1 || number(2, 256) < 1) {
    std::fprintf(stderr, "step_benchmark [turns] [vocabulary] [optimizer config...]\n");
    return 2;
  }
  palimpsest::Main(number(1, 10), number(2, 256), std::move(configs));
}
