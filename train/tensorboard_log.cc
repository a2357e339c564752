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
  HParams hparams{{}, RunId(config), {"loss", "val_loss", "val_accuracy", "val_sequence_accuracy"}};
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

events::Histogram HistogramOf(const Tensor& param) {
  const Tensor x = CopyTo(param, Device::kCpu);
  return DispatchFloat(x.dtype(), [&]<typename T>() {
    const T* data = x.data<T>();
    return palimpsest::HistogramOf(x.size(),
                                   [&](int64_t i) { return static_cast<double>(data[i]); });
  });
}

class TensorBoardLog : public RunLog {
 public:
  TensorBoardLog(std::unique_ptr<EventFile> file, bool histograms)
      : file_(std::move(file)), histograms_(histograms) {}

  absl::Status OnLine(const nlohmann::ordered_json& line) override {
    std::map<std::string, double> numbers;
    CollectNumbers(line, "", &numbers);
    return file_->Write(ScalarsEvent(line.value("step", int64_t{0}), numbers));
  }

  absl::Status OnGradients(int64_t step, const NamedTensors& gradients) override {
    return WriteHistograms(step, "grad/", gradients);
  }

  absl::Status OnEvaluation(const Trainer& trainer) override {
    return WriteHistograms(trainer.step(), "parameters/", trainer.params());
  }

  // A run that was stopped is still to end.
  absl::Status OnEnd(const absl::StatusOr<TrainingResult>& result) override {
    if (result.ok() && result->stopped) return absl::OkStatus();
    return file_->Write(HParamsEndEvent(result.ok(), WallTime()));
  }

 private:
  absl::Status WriteHistograms(int64_t step, const char* kind, const NamedTensors& tensors) {
    if (!histograms_) return absl::OkStatus();
    std::map<std::string, events::Histogram> histograms;
    for (const auto& [path, tensor] : tensors) histograms.emplace(kind + path, HistogramOf(tensor));
    return file_->Write(HistogramsEvent(step, histograms));
  }

  const std::unique_ptr<EventFile> file_;
  const bool histograms_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RunLog>> MakeTensorBoardLog(const std::string& dir,
                                                           const Trainer& trainer) {
  absl::StatusOr<std::unique_ptr<EventFile>> file = EventFile::Create(dir);
  if (!file.ok()) return file.status();
  absl::Status status = (*file)->Write(HParamsStartEvent(HParamsOf(trainer.config()), WallTime()));
  if (status.ok() && trainer.step() > 0) status = (*file)->Write(RestartEvent(trainer.step() + 1));
  if (!status.ok()) return status;
  return std::make_unique<TensorBoardLog>(*std::move(file),
                                          trainer.config().tensorboard_histograms());
}

}  // namespace palimpsest
