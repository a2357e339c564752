#ifndef TRAIN_SAFETENSORS_HEADER_H_
#define TRAIN_SAFETENSORS_HEADER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/dtype.h"

namespace palimpsest {

// The first 8 bytes of a file are the header's length, little-endian; the data follow the header.
inline constexpr uint64_t kSafetensorsLengthBytes = 8;
inline constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;

// A tensor as the header describes it. Offsets count from the end of the header.
struct TensorEntry {
  std::string name, dtype;
  std::vector<uint64_t> shape;
  uint64_t begin = 0, end = 0;
  uint32_t crc32c = 0;  // Of its data.
};

struct SafetensorsHeader {
  std::vector<TensorEntry> tensors;  // In the order of their data.
  std::map<std::string, std::string> metadata;
  bool checksums = false;  // Every tensor has its crc32c, and so has the header.
};

// Parses the header's text and checks that its tensors fill `data_bytes` bytes exactly, without
// hole or overlap, each as long as its shape and dtype say.
absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(const std::string& text,
                                                         uint64_t data_bytes);

// The text for `header`, padded so that the data begin at a multiple of 8 bytes.
absl::StatusOr<std::string> FormatSafetensorsHeader(const SafetensorsHeader& header);

// The format's name of a dtype, and back where we have it.
const char* SafetensorsName(DType dtype);
std::optional<DType> DTypeOfSafetensors(const std::string& name);
// Place in the format's order of dtypes, in which alignment grows; -1 for a dtype it does not have.
int SafetensorsOrder(const std::string& name);

// `name` in quotes for a message: escaped, so that it stays on one line, and not too long.
std::string QuotedName(const std::string& name);

}  // namespace palimpsest

#endif  // TRAIN_SAFETENSORS_HEADER_H_
