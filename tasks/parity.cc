#include <memory>

#include "absl/strings/str_cat.h"
#include "tasks/tasks.h"

namespace palimpsest {
namespace {

class Parity : public Task {
 public:
  explicit Parity(bool every) : every_(every) {}

  int64_t vocab() const override { return 3; }
  absl::Status CheckLength(int64_t) const override { return absl::OkStatus(); }
  std::string Describe() const override {
    return absl::StrCat("parity, asked for after ", every_ ? "every" : "the last", " bit");
  }
  std::string Text(int32_t token) const override {
    return token == 0 ? "PAD" : absl::StrCat(token - 1);
  }

  Example Make(int64_t length, Split, Draws& draws) const override {
    Example example;
    int64_t parity = 0;
    for (int64_t t = 0; t < length; ++t) {
      const int64_t bit = draws.Below(2);
      parity ^= bit;
      if (every_ || t + 1 == length) {
        example.Add(1 + bit, 1 + parity);
      } else {
        example.Add(1 + bit);
      }
    }
    return example;
  }

 private:
  const bool every_;
};

}  // namespace

TaskOrError MakeParity(const DataConfig& data) {
  return std::make_shared<Parity>(data.parity().labels() == ParityData::EVERY);
}

}  // namespace palimpsest
