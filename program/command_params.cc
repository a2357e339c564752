#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "nn/model.h"
#include "program/commands.h"
#include "tasks/data.h"
#include "train/config.h"
#include "train/model_cost.h"

namespace palimpsest {
namespace {

// 1234567 -> "1,234,567"
std::string Grouped(int64_t n) {
  std::string digits = absl::StrCat(n);
  for (int64_t i = static_cast<int64_t>(digits.size()) - 3; i > 0; i -= 3)
    digits.insert(static_cast<size_t>(i), 1, ',');
  return digits;
}

// "blocks.3.mixer.q.weight" -> "blocks.mixer"
std::string PartOf(const std::string& path) {
  std::vector<std::string> names = absl::StrSplit(path, '.');
  if (names[0] != "blocks") return names[0];
  return absl::StrCat("blocks.", names.size() > 2 ? names[2] : "");
}

void PrintLine(const std::string& name, const std::string& value) {
  std::printf("%-24s %16s\n", name.c_str(), value.c_str());
}

class ParamsOf : public Command {
 public:
  std::string name() const override { return "params"; }
  std::string summary() const override { return "count a model's parameters and its state"; }
  std::string usage() const override {
    return "params --config=FILE [--flops] [field.path=value ...]";
  }
  std::string examples() const override {
    return "  palimpsest params --config=my.textproto\n"
           "  palimpsest params --config=models/gdn.textproto --config=sizes/1.3b.textproto\n"
           "\n"
           "Without --flops nothing is computed, and no memory used for the model.\n";
  }
  void AddFlags(Flags* flags) override {
    flags->Add("config", "FILE", &configs_, "what would be trained; later files go on top")
        .Add("flops", "", &flops_, "run the model once, on `length` tokens, and count");
  }

  absl::StatusOr<int> Run(const std::vector<std::string>& overrides) override {
    if (configs_.empty()) return absl::InvalidArgumentError("of what? give --config=FILE");
    absl::StatusOr<TrainConfig> config = LoadConfig(configs_, overrides);
    if (!config.ok()) return config.status();
    if (absl::Status s = ValidateConfig(*config); !s.ok()) return s;
    if (absl::Status s = FillInVocabulary(&*config); !s.ok()) return s;
    const absl::StatusOr<DType> dtype = ConfigDType(*config);
    if (!dtype.ok()) return dtype.status();
    auto model = flops_ ? LanguageModel::Create(config->model(),
                                                RandomStream(config->seed(), "init"), *dtype)
                        : LanguageModel::CreateUninitialized(config->model(), *dtype);
    if (!model.ok()) return model.status();
    Print(**model, config->length());
    return 0;
  }

 private:
  static absl::Status FillInVocabulary(TrainConfig* config) {
    if (config->model().vocab_size() > 0) return absl::OkStatus();
    const auto data = MakeDataSource(config->data(), config->length(), config->seed());
    if (!data.ok())
      return absl::Status(data.status().code(),
                          absl::StrCat(std::string(data.status().message()),
                                       "; or give the vocabulary: model.vocab_size=N"));
    config->mutable_model()->set_vocab_size((*data)->vocab());
    return absl::OkStatus();
  }

  void Print(LanguageModel& model, int64_t length) const {
    std::map<std::string, int64_t> parts;
    model.ForEachParam(
        [&](const std::string& path, Tensor& param) { parts[PartOf(path)] += param.size(); });
    const ModelCost cost = flops_ ? CostOf(model, length) : SizesOf(model, length);
    PrintLine("parameters", Grouped(cost.parameters));
    PrintLine("without embeddings", Grouped(cost.non_embedding_parameters));
    for (const auto& [part, count] : parts) PrintLine("  " + part, Grouped(count));
    PrintLine(absl::StrCat("state at token ", length), Grouped(cost.state_bytes) + " B");
    if (flops_)
      PrintLine("forward FLOPs a token", Grouped(static_cast<int64_t>(cost.flops_per_token)));
  }

  std::vector<std::string> configs_;
  bool flops_ = false;
};

}  // namespace

Command& ParamsCommand() {
  static ParamsOf command;
  return command;
}

}  // namespace palimpsest
