#ifndef TRAIN_SAFETENSORS_H_
#define TRAIN_SAFETENSORS_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/tensor.h"

namespace palimpsest {

// The contents of a safetensors file (https://github.com/huggingface/safetensors).
struct TensorFile {
  NamedTensors tensors;
  std::map<std::string, std::string> metadata;
  // With checksums of the header and of each tensor: other readers take them for metadata.
  bool checksums = false;
};

using TensorFilter = absl::FunctionRef<bool(const std::string& name)>;

// Reads the tensors whose names `wanted` accepts. The whole file is validated first, by the rules
// of the reference reader; an error names the file, the tensor and what is wrong. F64, F32, BF16,
// I32 and I64 are read; a wanted tensor of another dtype is Unimplemented. DataLoss: the header or
// a wanted tensor does not have the checksum it was written with (safetensors_checksum.h).
absl::StatusOr<TensorFile> ReadSafetensors(const std::string& path, TensorFilter wanted);
absl::StatusOr<TensorFile> ReadSafetensors(const std::string& path);

// Whether `path` is a complete, valid file, by its header, that one's checksum, and its length.
absl::Status CheckSafetensors(const std::string& path);

// Writes `file` whole or not at all: `path` holds the new contents, on disk, or what it held
// before.
absl::Status WriteSafetensors(const std::string& path, const TensorFile& file);

}  // namespace palimpsest

#endif  // TRAIN_SAFETENSORS_H_
