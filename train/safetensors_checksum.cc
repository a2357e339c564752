#include "train/safetensors_checksum.h"

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/crc32c.h"

namespace palimpsest {
namespace {

constexpr char kKey[] = "crc32c", kTensorPrefix[] = "crc32c:";
constexpr size_t kDigits = 8;

std::string Hex(uint32_t crc) { return absl::StrFormat("%08x", crc); }

// Where the digits stand. In a string of JSON, the quotes would be escaped.
size_t DigitsIn(const std::string& text) {
  const std::string key = absl::StrCat("\"", kKey, "\":\"");
  const size_t at = text.find(key);
  return at == std::string::npos ? at : at + key.size();
}

uint32_t CrcWithoutDigits(std::string text, size_t digits) {
  text.replace(digits, kDigits, kDigits, '0');
  return Crc32c(text);
}

absl::Status Changed(const std::string& what) {
  return absl::DataLossError(absl::StrCat("damaged: ", what));
}

}  // namespace

absl::StatusOr<std::string> FormatWithChecksums(SafetensorsHeader header) {
  for (const TensorEntry& t : header.tensors)
    header.metadata[kTensorPrefix + t.name] = Hex(t.crc32c);
  header.metadata[kKey] = std::string(kDigits, '0');
  absl::StatusOr<std::string> text = FormatSafetensorsHeader(header);
  if (text.ok()) text->replace(DigitsIn(*text), kDigits, Hex(Crc32c(*text)));
  return text;
}

absl::Status TakeChecksums(const std::string& text, SafetensorsHeader* header) {
  const auto own = header->metadata.find(kKey), first = header->metadata.lower_bound(kTensorPrefix);
  const bool there = own != header->metadata.end();
  const size_t digits = DigitsIn(text);
  if (there && (digits == std::string::npos || own->second != Hex(CrcWithoutDigits(text, digits))))
    return Changed("its header is not the one that was written");
  if (!there && first != header->metadata.end() && absl::StartsWith(first->first, kTensorPrefix))
    return Changed("there is no checksum of its header");
  if (!there) return absl::OkStatus();
  header->metadata.erase(own);
  header->checksums = true;
  for (TensorEntry& t : header->tensors) {
    const auto entry = header->metadata.extract(kTensorPrefix + t.name);
    if (entry.empty() || !absl::SimpleHexAtoi(entry.mapped(), &t.crc32c))
      return Changed(absl::StrCat("there is no checksum of tensor ", QuotedName(t.name)));
  }
  return absl::OkStatus();
}

}  // namespace palimpsest
