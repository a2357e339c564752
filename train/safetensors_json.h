#ifndef TRAIN_SAFETENSORS_JSON_H_
#define TRAIN_SAFETENSORS_JSON_H_

#include <string>

#include "absl/status/statusor.h"
#include "train/safetensors_header.h"

namespace palimpsest {

// The JSON of a safetensors header, event by event: no tree is built, nothing nests deeper than the
// format does, and what it does not have (a key twice, another field, a negative extent) is an
// error.
absl::StatusOr<SafetensorsHeader> ReadHeaderJson(const std::string& text);

}  // namespace palimpsest

#endif  // TRAIN_SAFETENSORS_JSON_H_
