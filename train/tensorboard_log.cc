#include "train/tensorboard_log.h"

#include <map>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "report/event_file.h"
#include "train/config.h"
#include "train/proto_text.h"
#include "train/run_id.h"

namespace palimpsest {
namespace {

// The numbers of `json` by their paths: "statistics/blocks.0.memory.keep".
void CollectNumbers(const nlohmann::ordered_json& json, const std::string& path,
                    std::map<std::string, double>* numbers) {
  for (const auto& [name, value] : json.items()) {
    const std::string tag = path.empty() ? name : absl::StrCat(path, "/", name);
    if (value.is_object()) CollectNumbers(value, tag, numbers);
    if (value.is_number() && tag != "step") numbers->emplace(tag, value.get<double>());
  }
}

HParams HParamsOf(const TrainConfig& config) {
  HParams hparams{{}, RunId(config), {"loss", "val_loss", "val_accuracy"}};
  for (const auto& [field, text] : FlattenProto(config)) {
    if (field == "seed" || BearsOnNoResult(field)) continue;
    double number;
    if (text == "true" || text == "false") {
      hparams.values[field] = text == "true";
    } else if (absl::SimpleAtod(text, &number)) {
      hparams.values[field] = number;
    } else {
      hparams.values[field] = text;
    }
  }
  return hparams;
}

events::Histogram HistogramOf(const Tensor& x) {
  return DispatchFloat(x.dtype(), [&]<typename T>() {
    const T* data = x.data<T>();
    return palimpsest::HistogramOf(x.size(),
                                   [&](int64_t i) { return static_cast<double>(data[i]); });
  });
}

class TensorBoardLog : public RunLog {
 public:
  explicit TensorBoardLog(std::unique_ptr<EventFile> file) : file_(std::move(file)) {}

  absl::Status OnLine(const nlohmann::ordered_json& line) override {
    std::map<std::string, double> numbers;
    CollectNumbers(line, "", &numbers);
    return file_->Write(ScalarsEvent(line.value("step", int64_t{0}), numbers));
  }

  absl::Status OnEvaluation(const Trainer& trainer) override {
    if (!trainer.config().tensorboard_histograms()) return absl::OkStatus();
    std::map<std::string, events::Histogram> histograms;
    for (const auto& [path, param] : trainer.params())
      histograms.emplace(absl::StrCat("parameters/", path), HistogramOf(param));
    return file_->Write(HistogramsEvent(trainer.step(), histograms));
  }

  // A run that was stopped is still to end.
  absl::Status OnEnd(const absl::StatusOr<TrainingResult>& result) override {
    if (result.ok() && result->stopped) return absl::OkStatus();
    return file_->Write(HParamsEndEvent(result.ok(), WallTime()));
  }

 private:
  const std::unique_ptr<EventFile> file_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RunLog>> MakeTensorBoardLog(const std::string& dir,
                                                           const Trainer& trainer) {
  absl::StatusOr<std::unique_ptr<EventFile>> file = EventFile::Create(dir);
  if (!file.ok()) return file.status();
  absl::Status status = (*file)->Write(HParamsStartEvent(HParamsOf(trainer.config()), WallTime()));
  if (status.ok() && trainer.step() > 0) status = (*file)->Write(RestartEvent(trainer.step() + 1));
  if (!status.ok()) return status;
  return std::make_unique<TensorBoardLog>(*std::move(file));
}

}  // namespace palimpsest
