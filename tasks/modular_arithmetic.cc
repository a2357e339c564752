#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "tasks/tasks.h"

namespace palimpsest {
namespace {

constexpr int64_t kPlus = 1, kMinus = 2, kTimes = 3, kEquals = 4, kDigit = 5;
constexpr char kSigns[] = "_+-*=";

class ModularArithmetic : public Task {
 public:
  explicit ModularArithmetic(const ModularArithmeticData& config)
      : config_(config),
        modulus_(config.modulus()),
        open_(kDigit + modulus_),
        close_(open_ + 1),
        operations_(config.products() ? 3 : 2) {}

  int64_t vocab() const override { return config_.brackets() ? close_ + 1 : open_; }
  absl::Status CheckLength(int64_t length) const override { return CheckLengthAtLeast(length, 2); }
  std::string Describe() const override {
    return absl::StrCat("arithmetic modulo ", modulus_, config_.brackets() ? " with" : " without",
                        " brackets");
  }
  std::string Text(int32_t token) const override {
    if (token < kDigit) return std::string(1, kSigns[token]);
    if (token < open_) return absl::StrCat(token - kDigit);
    return token == open_ ? "(" : ")";
  }

  Example Make(int64_t length, Split, Draws& draws) const override {
    Example example;
    const int64_t value = config_.brackets() ? Bracketed(length - 1, draws, &example)
                                             : Chain(length / 2, draws, &example);
    example.Add(kEquals, kDigit + value);
    return example;
  }

 private:
  int64_t Mod(int64_t x) const { return (x % modulus_ + modulus_) % modulus_; }

  int64_t Digit(Draws& draws, Example* example) const {
    const int64_t digit = draws.Below(modulus_);
    example->Add(kDigit + digit);
    return digit;
  }

  // `terms` digits with operations between them.
  int64_t Chain(int64_t terms, Draws& draws, Example* example) const {
    int64_t sum = 0, product = Digit(draws, example);  // Of the products before the last, and that.
    for (int64_t i = 1; i < terms; ++i) {
      const int64_t operation = kPlus + draws.Below(operations_);
      example->Add(operation);
      const int64_t digit = Digit(draws, example);
      if (operation == kTimes) {
        product = Mod(product * digit);
        continue;
      }
      sum = Mod(sum + product);
      product = operation == kPlus ? digit : Mod(-digit);
    }
    return Mod(sum + product);
  }

  // Of exactly `size` tokens: d, -d, (d), (-d), or (left operation right).
  int64_t Bracketed(int64_t size, Draws& draws, Example* example) const {
    const bool in_brackets = size >= 3;
    if (in_brackets) example->Add(open_);
    int64_t value = 0;
    if (size < 5) {
      const bool negative = size % 2 == 0;
      if (negative) example->Add(kMinus);
      value = Digit(draws, example);
      if (negative) value = Mod(-value);
    } else {
      const int64_t left_size = 1 + draws.Below(size - 4);
      const int64_t left = Bracketed(left_size, draws, example);
      const int64_t operation = kPlus + draws.Below(operations_);
      example->Add(operation);
      const int64_t right = Bracketed(size - 3 - left_size, draws, example);
      value =
          Mod(operation == kTimes ? left * right : left + (operation == kPlus ? right : -right));
    }
    if (in_brackets) example->Add(close_);
    return value;
  }

  const ModularArithmeticData config_;
  const int64_t modulus_, open_, close_, operations_;
};

}  // namespace

TaskOrError MakeModularArithmetic(const DataConfig& data) {
  const ModularArithmeticData& config = data.modular_arithmetic();
  if (absl::Status s = CheckTaskValue("modulus", config.modulus(), 2, 1000); !s.ok()) return s;
  return std::make_shared<ModularArithmetic>(config);
}

}  // namespace palimpsest
