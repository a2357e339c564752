#include "train/safetensors_header.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <tuple>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "train/safetensors_json.h"

namespace palimpsest {
namespace {

struct FormatDType {
  std::string_view name;
  uint64_t bits;
};

// In the format's order.
constexpr FormatDType kDTypes[] = {
    {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
    {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
    {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
    {"I64", 64},        {"U64", 64},
};

// A product as long as it fits in an int64, as our extents do.
bool MultiplyChecked(uint64_t& product, uint64_t factor) {
  constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
  if (factor > kMax || (factor != 0 && product > kMax / factor)) return false;
  product *= factor;
  return true;
}

absl::Status EntryError(const TensorEntry& t, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("tensor ", QuotedName(t.name), ": ", what));
}

absl::Status CheckEntry(const TensorEntry& t, uint64_t previous_end) {
  const int order = SafetensorsOrder(t.dtype);
  if (order < 0) return EntryError(t, absl::StrCat("unknown dtype ", QuotedName(t.dtype)));
  const std::string offsets = absl::StrCat("data_offsets [", t.begin, ",", t.end, "]");
  if (t.begin != previous_end) {
    return EntryError(t, absl::StrCat(offsets, " should begin at ", previous_end,
                                      ", where the data before it end"));
  }
  if (t.end < t.begin) return EntryError(t, absl::StrCat(offsets, " end before they begin"));
  const std::string shape = absl::StrCat(t.dtype, " [", absl::StrJoin(t.shape, ","), "]");
  uint64_t bits = 1;
  for (uint64_t extent : t.shape) {
    if (!MultiplyChecked(bits, extent))
      return EntryError(t, absl::StrCat(shape, " has more elements than can be counted"));
  }
  if (!MultiplyChecked(bits, kDTypes[order].bits)) {
    return EntryError(t, absl::StrCat(shape, " has more bits than can be counted"));
  }
  if (bits % 8 != 0) return EntryError(t, absl::StrCat(shape, " does not fill whole bytes"));
  if (t.end - t.begin != bits / 8) {
    return EntryError(t, absl::StrCat(shape, " takes ", bits / 8, " bytes, but its ", offsets,
                                      " hold ", t.end - t.begin));
  }
  return absl::OkStatus();
}

// `text` as a JSON string, if it is UTF-8.
absl::StatusOr<std::string> JsonString(const std::string& text) {
  using Json = nlohmann::json;
  std::string quoted = Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
  if (quoted != Json(text).dump(-1, ' ', false, Json::error_handler_t::ignore)) {
    return absl::InvalidArgumentError(absl::StrCat(QuotedName(text), " is not UTF-8"));
  }
  return quoted;
}

}  // namespace

int SafetensorsOrder(const std::string& name) {
  const auto it = std::find_if(std::begin(kDTypes), std::end(kDTypes),
                               [&](const auto& d) { return d.name == name; });
  return it == std::end(kDTypes) ? -1 : static_cast<int>(it - std::begin(kDTypes));
}

const char* SafetensorsName(DType dtype) {
  switch (dtype) {
    case DType::kF64: return "F64";
    case DType::kF32: return "F32";
    case DType::kBf16: return "BF16";
    case DType::kI32: return "I32";
    case DType::kI64: return "I64";
  }
  return "";
}

std::optional<DType> DTypeOfSafetensors(const std::string& name) {
  for (DType dtype : {DType::kF64, DType::kF32, DType::kBf16, DType::kI32, DType::kI64}) {
    if (name == SafetensorsName(dtype)) return dtype;
  }
  return std::nullopt;
}

std::string QuotedName(const std::string& name) {
  constexpr size_t kMost = 120;
  size_t length = std::min(name.size(), kMost);
  // Not in the middle of a UTF-8 character.
  while (length > 0 && length < name.size() && (name[length] & 0xC0) == 0x80) --length;
  return absl::StrCat("'", absl::Utf8SafeCEscape(name.substr(0, length)),
                      length < name.size() ? "...'" : "'");
}

absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(const std::string& text,
                                                         uint64_t data_bytes) {
  absl::StatusOr<SafetensorsHeader> header = ReadHeaderJson(text);
  if (!header.ok()) return header;
  std::sort(header->tensors.begin(), header->tensors.end(),
            [](const TensorEntry& a, const TensorEntry& b) {
              return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
            });
  uint64_t end = 0;
  for (const TensorEntry& t : header->tensors) {
    if (absl::Status s = CheckEntry(t, end); !s.ok()) return s;
    end = t.end;
  }
  if (end != data_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the header describes ", end, " bytes of data, but ", data_bytes, " follow it"));
  }
  return header;
}

absl::StatusOr<std::string> FormatSafetensorsHeader(const SafetensorsHeader& header) {
  std::vector<std::string> entries;
  if (!header.metadata.empty()) {
    std::vector<std::string> pairs;
    for (const auto& [key, value] : header.metadata) {
      const absl::StatusOr<std::string> k = JsonString(key), v = JsonString(value);
      if (!k.ok()) return k.status();
      if (!v.ok()) return v.status();
      pairs.push_back(absl::StrCat(*k, ":", *v));
    }
    entries.push_back(absl::StrCat("\"__metadata__\":{", absl::StrJoin(pairs, ","), "}"));
  }
  for (const TensorEntry& t : header.tensors) {
    const absl::StatusOr<std::string> name = JsonString(t.name);
    if (!name.ok()) return name.status();
    if (t.name == "__metadata__") return EntryError(t, "the format keeps this name for itself");
    entries.push_back(absl::StrCat(*name, ":{\"dtype\":\"", t.dtype, "\",\"shape\":[",
                                   absl::StrJoin(t.shape, ","), "],\"data_offsets\":[", t.begin,
                                   ",", t.end, "]}"));
  }
  std::string text = absl::StrCat("{", absl::StrJoin(entries, ","), "}");
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (text.size() > kMaxSafetensorsHeader) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a header of ", text.size(), " bytes; the format allows ", kMaxSafetensorsHeader));
  }
  return text;
}

}  // namespace palimpsest
