#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/hash.h"
#include "core/random.h"
#include "ops/loss.h"
#include "tasks/tasks.h"

namespace palimpsest {
namespace {

class BytesSource : public DataSource {
 public:
  BytesSource(std::string train, std::string val, int64_t length, uint64_t seed)
      : train_(std::move(train)), val_(std::move(val)), length_(length), seed_(seed) {}

  int64_t vocab() const override { return 256; }
  int64_t longest() const override { return length_; }

  Examples TrainBatch(int64_t step, int64_t batch) const override {
    const RandomStream stream(seed_, "data", step);
    Examples examples = Make(batch);
    for (int64_t i = 0; i < batch; ++i)
      Fill(train_, stream.Below(i, Size(train_) - length_), i, &examples);
    return examples;
  }

  int64_t eval_examples() const override { return (Size(val_) - 1 + length_ - 1) / length_; }

  Examples EvalBatch(int64_t begin, int64_t end) const override {
    PALIMPSEST_CHECK(0 <= begin && begin <= end && end <= eval_examples())
        << "[" << begin << ", " << end << ") of " << eval_examples() << " examples";
    Examples examples = Make(end - begin);
    const int64_t last = Size(val_) - 1 - length_;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t start = std::min(i * length_, last);
      Fill(val_, start, i - begin, &examples);
      int32_t* labels = examples.labels.mutable_data<int32_t>() + (i - begin) * length_;
      std::fill_n(labels, i * length_ - start, kIgnoreLabel);
    }
    return examples;
  }

  std::string Describe() const override {
    return absl::StrCat(train_.size(), " bytes to train on, ", val_.size(), " to validate");
  }
  std::string Fingerprint() const override {
    return TextHash(absl::StrCat(TextHash(train_), TextHash(val_)));
  }
  std::string Text(int32_t token) const override { return ByteText(token); }
  bool is_text() const override { return true; }

 private:
  static int64_t Size(const std::string& text) { return static_cast<int64_t>(text.size()); }

  Examples Make(int64_t count) const {
    return {Tensor::Empty({count, length_}, DType::kI32),
            Tensor::Empty({count, length_}, DType::kI32)};
  }

  void Fill(const std::string& text, int64_t start, int64_t row, Examples* examples) const {
    int32_t* tokens = examples->tokens.mutable_data<int32_t>() + row * length_;
    int32_t* labels = examples->labels.mutable_data<int32_t>() + row * length_;
    for (int64_t t = 0; t < length_; ++t) {
      tokens[t] = static_cast<unsigned char>(text[start + t]);
      labels[t] = static_cast<unsigned char>(text[start + t + 1]);
    }
  }

  const std::string train_, val_;
  const int64_t length_;
  const uint64_t seed_;
};

absl::Status CheckLength(const std::string& what, const std::string& text, int64_t length) {
  if (static_cast<int64_t>(text.size()) > length) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " has ", text.size(), " bytes, and length: ", length, " needs at least ",
                   length + 1, "; give more text or a smaller length"));
}

}  // namespace

std::string ByteText(int32_t byte) {
  return absl::CHexEscape(std::string(1, static_cast<char>(byte)));
}

absl::StatusOr<std::unique_ptr<DataSource>> MakeBytesSource(const DataConfig& data, int64_t length,
                                                            uint64_t seed) {
  const BytesData& config = data.bytes();
  if (data.eval_length_size() > 0 || data.min_length() > 0)
    return absl::InvalidArgumentError(
        "eval_length and min_length are of generated tasks; the windows of bytes have `length`");
  if (config.path().empty())
    return absl::InvalidArgumentError("path is not set: give data.bytes.path=FILE");
  if (length < 1)
    return absl::InvalidArgumentError(absl::StrCat("length is ", length, ", must be at least 1"));
  absl::StatusOr<std::string> train = ReadTaskFile("data.bytes.path", config.path());
  if (!train.ok()) return train.status();
  if (train->empty()) return absl::InvalidArgumentError(absl::StrCat(config.path(), " is empty"));
  if (!config.val_path().empty()) {
    absl::StatusOr<std::string> val = ReadTaskFile("data.bytes.val_path", config.val_path());
    if (!val.ok()) return val.status();
    if (absl::Status s = CheckLength(config.path(), *train, length); !s.ok()) return s;
    if (absl::Status s = CheckLength(config.val_path(), *val, length); !s.ok()) return s;
    return std::make_unique<BytesSource>(*std::move(train), *std::move(val), length, seed);
  }
  if (!(config.split() > 0 && config.split() < 1))
    return absl::InvalidArgumentError(
        absl::StrCat("split is ", config.split(), ", must be between 0 and 1"));
  const auto cut = static_cast<size_t>(static_cast<double>(train->size()) * config.split());
  std::string val = train->substr(cut);
  train->resize(cut);
  const std::string share =
      absl::StrCat("share of ", config.path(), " (split ", config.split(), ")");
  if (absl::Status s = CheckLength("the training " + share, *train, length); !s.ok()) return s;
  if (absl::Status s = CheckLength("the validation " + share, val, length); !s.ok()) return s;
  return std::make_unique<BytesSource>(*std::move(train), std::move(val), length, seed);
}

}  // namespace palimpsest
