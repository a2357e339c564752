#ifndef TRAIN_SAFETENSORS_CHECKSUM_H_
#define TRAIN_SAFETENSORS_CHECKSUM_H_

#include <string>

#include "absl/status/status.h"
#include "train/safetensors_header.h"

namespace palimpsest {

// Checksums by which a changed byte is seen, kept as metadata, which other readers pass over:
// "crc32c:NAME" is the CRC-32C of the data of tensor NAME, and "crc32c" that of the header's text
// with its own eight digits 0.

// The text of `header`, whose tensors all have their crc32c.
absl::StatusOr<std::string> FormatWithChecksums(SafetensorsHeader header);

// Moves the checksums from the metadata of `header`, read from `text`, to its tensors. A file
// without any has another writer. DataLoss: the text was changed.
absl::Status TakeChecksums(const std::string& text, SafetensorsHeader* header);

}  // namespace palimpsest

#endif  // TRAIN_SAFETENSORS_CHECKSUM_H_
