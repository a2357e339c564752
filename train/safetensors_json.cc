#include "train/safetensors_json.h"

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace palimpsest {
namespace {

using Json = nlohmann::json;

constexpr char kMetadata[] = "__metadata__";

// Fills a header from the parser's events. A handler that returns false ends the parse.
class HeaderEvents : public nlohmann::json_sax<Json> {
 public:
  absl::StatusOr<SafetensorsHeader> Result(bool parsed) && {
    if (!parsed) return absl::InvalidArgumentError(absl::StrCat("bad header: ", error_));
    return std::move(header_);
  }

  bool start_object(size_t) override {
    switch (where_) {
      case Where::kOutside: return Enter(Where::kRoot);
      case Where::kRoot: return Enter(key_ == kMetadata ? Where::kMetadata : Where::kTensor);
      default: return Unexpected("an object");
    }
  }

  bool end_object() override {
    switch (where_) {
      case Where::kTensor: return FinishTensor() && Enter(Where::kRoot);
      case Where::kMetadata: return Enter(Where::kRoot);
      default: return true;  // The root; the parser lets nothing follow.
    }
  }

  bool start_array(size_t) override {
    if (where_ != Where::kTensor || key_ == "dtype") return Unexpected("an array");
    (key_ == "shape" ? shape_ : offsets_).emplace();
    return Enter(Where::kNumbers);
  }
  bool end_array() override { return Enter(Where::kTensor); }

  bool key(std::string& key) override {
    key_ = std::move(key);
    switch (where_) {
      case Where::kRoot:
        tensor_ = {};
        dtype_.reset(), shape_.reset(), offsets_.reset();
        tensor_.name = key_;
        return names_.insert(key_).second ||
               Fail(absl::StrCat("the key ", QuotedName(key_), " occurs twice"));
      case Where::kMetadata:
        return !header_.metadata.contains(key_) ||
               Fail(absl::StrCat("the metadata key ", QuotedName(key_), " occurs twice"));
      default: return TensorField();
    }
  }

  bool string(std::string& value) override {
    if (where_ == Where::kMetadata) {
      header_.metadata[key_] = std::move(value);
      return true;
    }
    if (where_ != Where::kTensor || key_ != "dtype") return Unexpected("a string");
    dtype_ = std::move(value);
    return true;
  }

  bool number_unsigned(uint64_t value) override {
    if (where_ != Where::kNumbers) return Unexpected("a number");
    (key_ == "shape" ? shape_ : offsets_)->push_back(value);
    return true;
  }

  bool number_integer(int64_t) override { return Unexpected("a negative number"); }
  bool number_float(double, const std::string&) override {
    return Unexpected("a number that is not a 64-bit integer");
  }
  bool null() override { return Unexpected("null"); }
  bool boolean(bool) override { return Unexpected("a boolean"); }
  bool binary(Json::binary_t&) override { return Unexpected("binary data"); }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception& e) override {
    // Without the library's own prefix, "[json.exception.parse_error.101] ".
    const std::string what = e.what();
    const size_t prefix_end = what.find("] ");
    return Fail(absl::StrCat(
        "not JSON at byte ", position, ": ",
        QuotedName(prefix_end == std::string::npos ? what : what.substr(prefix_end + 2))));
  }

 private:
  enum class Where { kOutside, kRoot, kMetadata, kTensor, kNumbers };

  bool Enter(Where where) {
    where_ = where;
    return true;
  }
  bool Fail(std::string error) {
    error_ = std::move(error);
    return false;
  }
  bool Unexpected(const char* what) {
    switch (where_) {
      case Where::kOutside: return Fail(absl::StrCat(what, " where an object should be"));
      case Where::kRoot:
        return Fail(absl::StrCat(what, " where ", QuotedName(key_), " should have an object"));
      case Where::kMetadata:
        return Fail(
            absl::StrCat(what, " in the metadata, at ", QuotedName(key_), "; it holds strings"));
      default:
        return Fail(absl::StrCat("tensor ", QuotedName(tensor_.name), ": ", what, " in its ",
                                 QuotedName(key_)));
    }
  }

  bool TensorField() {
    const bool twice = (key_ == "dtype" && dtype_) || (key_ == "shape" && shape_) ||
                       (key_ == "data_offsets" && offsets_);
    if (twice)
      return Fail(absl::StrCat("tensor ", QuotedName(tensor_.name), ": ", key_, " occurs twice"));
    if (key_ == "dtype" || key_ == "shape" || key_ == "data_offsets") return true;
    return Fail(
        absl::StrCat("tensor ", QuotedName(tensor_.name), ": unknown field ", QuotedName(key_)));
  }

  bool FinishTensor() {
    const char* missing = !dtype_     ? "dtype"
                          : !shape_   ? "shape"
                          : !offsets_ ? "data_offsets"
                                      : nullptr;
    if (missing != nullptr)
      return Fail(absl::StrCat("tensor ", QuotedName(tensor_.name), " has no ", missing));
    if (offsets_->size() != 2) {
      return Fail(absl::StrCat("tensor ", QuotedName(tensor_.name), ": ", offsets_->size(),
                               " data_offsets, not 2"));
    }
    tensor_.dtype = *std::move(dtype_);
    tensor_.shape = *std::move(shape_);
    tensor_.begin = (*offsets_)[0];
    tensor_.end = (*offsets_)[1];
    header_.tensors.push_back(std::move(tensor_));
    return true;
  }

  SafetensorsHeader header_;
  absl::flat_hash_set<std::string> names_;
  Where where_ = Where::kOutside;
  std::string key_, error_;
  TensorEntry tensor_;
  std::optional<std::string> dtype_;
  std::optional<std::vector<uint64_t>> shape_, offsets_;
};

}  // namespace

absl::StatusOr<SafetensorsHeader> ReadHeaderJson(const std::string& text) {
  // The parser would pass over a byte-order mark and take a NUL for the end of the text.
  const size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string::npos || text[start] != '{') {
    return absl::InvalidArgumentError("bad header: not a JSON object");
  }
  if (const size_t nul = text.find('\0'); nul != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("bad header: not JSON at byte ", nul + 1, ": a NUL"));
  }
  HeaderEvents events;
  const bool parsed = Json::sax_parse(text, &events);
  return std::move(events).Result(parsed);
}

}  // namespace palimpsest
