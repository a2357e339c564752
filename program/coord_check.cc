#include "program/coord_check.h"

#include <cmath>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nn/model.h"
#include "nn/mup.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "tasks/data.h"
#include "train/trainer.h"

namespace palimpsest {
namespace {

// Step 0 of `data`, at every step.
class OneBatch : public DataSource {
 public:
  explicit OneBatch(std::unique_ptr<DataSource> data) : data_(std::move(data)) {}
  int64_t vocab() const override { return data_->vocab(); }
  int64_t longest() const override { return data_->longest(); }
  Examples TrainBatch(int64_t, int64_t batch) const override { return data_->TrainBatch(0, batch); }
  int64_t eval_examples() const override { return data_->eval_examples(); }
  Examples EvalBatch(int64_t begin, int64_t end) const override {
    return data_->EvalBatch(begin, end);
  }
  std::string Describe() const override { return data_->Describe(); }
  std::string Fingerprint() const override { return data_->Fingerprint(); }
  std::string Text(int32_t token) const override { return data_->Text(token); }

 private:
  std::unique_ptr<DataSource> data_;
};

double MeanSize(const Tensor& x) { return Mean(Abs(Cast(x, DType::kF64))).Item(); }

// The config's trainer at one width, from one seed, on one batch.
absl::StatusOr<std::unique_ptr<Trainer>> TrainerAt(TrainConfig config, int64_t width,
                                                   int64_t seed) {
  config.set_seed(config.seed() + static_cast<uint64_t>(seed));
  absl::StatusOr<std::unique_ptr<DataSource>> data =
      MakeDataSource(config.data(), config.length(), config.seed());
  if (!data.ok()) return data.status();
  if (config.model().vocab_size() == 0) config.mutable_model()->set_vocab_size((*data)->vocab());
  const absl::StatusOr<ModelConfig> model = AtWidth(config.model(), width);
  if (!model.ok()) return model.status();
  *config.mutable_model() = *model;
  return Trainer::Create(config, std::make_unique<OneBatch>(*std::move(data)));
}

// Where a run of one width and seed leaves what it sees.
class Observer {
 public:
  Observer(std::vector<Coordinate>* all, size_t widths, size_t at, double weight)
      : all_(*all), widths_(widths), at_(at), weight_(weight) {}

  // What the model puts out at `step`.
  void Observe(const LanguageModel& model, const Tensor& tokens, int64_t step) {
    const auto add = [&](const std::string& part, const Tensor& x) {
      if (next_ == all_.size())
        all_.push_back({part, step, std::vector<double>(widths_),
                        std::vector<double>(step > 1 ? widths_ : 0)});
      Coordinate& c = all_[next_++];
      c.size[at_] += weight_ * MeanSize(x);
      if (step > 1) c.change[at_] += weight_ * MeanSize(Sub(x, before_.at(part)));
      before_[part] = x;
    };
    model.Forward(tokens, {.observe = add});
  }

 private:
  std::vector<Coordinate>& all_;
  const size_t widths_, at_;
  const double weight_;
  size_t next_ = 0;
  NamedTensors before_;  // What each part put out a step ago.
};

}  // namespace

absl::StatusOr<std::vector<Coordinate>> CheckCoordinates(const TrainConfig& config,
                                                         const CoordCheckOptions& options) {
  std::vector<Coordinate> all;
  for (size_t at = 0; at < options.widths.size(); ++at) {
    for (int64_t seed = 0; seed < options.seeds; ++seed) {
      if (options.before) options.before(options.widths[at], seed);
      auto trainer = TrainerAt(config, options.widths[at], seed);
      if (!trainer.ok()) return trainer.status();
      const Tensor tokens = (*trainer)->data().TrainBatch(0, config.batch()).tokens;
      Observer observer(&all, options.widths.size(), at, 1.0 / static_cast<double>(options.seeds));
      for (int64_t step = 1; step <= options.steps; ++step) {
        observer.Observe((*trainer)->model(), tokens, step);
        if (step == options.steps) break;
        if (const auto result = (*trainer)->Step(); !result.ok())
          return absl::Status(result.status().code(),
                              absl::StrCat("width ", options.widths[at], ", ",
                                           std::string(result.status().message())));
      }
    }
  }
  return all;
}

double Slope(const std::vector<int64_t>& widths, const std::vector<double>& sizes) {
  const auto n = static_cast<double>(widths.size());
  double x_mean = 0, y_mean = 0, xy = 0, xx = 0;
  for (size_t i = 0; i < widths.size(); ++i) {
    x_mean += std::log2(static_cast<double>(widths[i])) / n;
    y_mean += std::log2(sizes[i]) / n;
  }
  for (size_t i = 0; i < widths.size(); ++i) {
    const double x = std::log2(static_cast<double>(widths[i])) - x_mean;
    xy += x * (std::log2(sizes[i]) - y_mean);
    xx += x * x;
  }
  return xy / xx;
}

std::vector<Plot> PlotCoordinates(const std::string& title, const std::vector<int64_t>& widths,
                                  const std::vector<Coordinate>& coordinates) {
  std::vector<Plot> plots;
  int64_t step = 0;
  for (const Coordinate& c : coordinates) {
    if (c.step != step) {
      step = c.step;
      plots.push_back({.title = absl::StrCat(title, ", step ", step),
                       .x = {"width", AxisScale::kLog2},
                       .y = {"mean |x|", AxisScale::kLog2},
                       .series = {}});
    }
    plots.back().series.push_back({c.part, {widths.begin(), widths.end()}, c.size});
  }
  for (size_t i = 0; i + 1 < plots.size(); ++i) plots[i].legend = false;
  return plots;
}

}  // namespace palimpsest
