#include "train/safetensors.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "train/file_testing.h"

namespace palimpsest {
namespace {

// Every dtype; a scalar, an empty tensor, special values; names that need escaping.
TensorFile Example() {
  TensorFile file;
  const double inf = std::numeric_limits<double>::infinity();
  file.tensors["f64"] = Tensor::FromVector({2, 2}, {1.0 / 3, -0.0, inf, std::nan("")}, DType::kF64);
  file.tensors["f32"] = Tensor::FromVector({3}, {0.1, -2.5, 1e-40}, DType::kF32);
  file.tensors["bf16"] = Tensor::FromVector({1, 3, 1}, {1, 2, 3}, DType::kBf16);
  file.tensors["i32"] = Tensor::FromVector({}, {-7}, DType::kI32);
  file.tensors["i64"] = Tensor::FromVector({1}, {1e15}, DType::kI64);
  file.tensors["none"] = Tensor::Empty({2, 0, 3}, DType::kF32);
  file.tensors["a \"quoted\"\n\\ name, caf\u00e9"] = Tensor::Full({5}, 1.0, DType::kBf16);
  file.metadata = {{"step", "20"}, {"config", "a {\n  b: \"c\"\n}\n"}, {"", ""}};
  return file;
}

uint64_t HeaderLength(const std::string& bytes) {
  uint64_t length;
  std::memcpy(&length, bytes.data(), sizeof(length));
  return length;
}

TEST(Safetensors, ReadsWhatItWrote) {
  const std::string path = ScratchDir() + "/f";
  const TensorFile file = Example();
  ASSERT_TRUE(WriteSafetensors(path, file).ok());
  EXPECT_TRUE(CheckSafetensors(path).ok());
  const absl::StatusOr<TensorFile> read = ReadSafetensors(path);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->metadata, file.metadata);
  ASSERT_EQ(read->tensors.size(), file.tensors.size());
  for (const auto& [name, x] : file.tensors) {
    const Tensor& y = read->tensors.at(name);
    EXPECT_EQ(y.shape(), x.shape()) << name;
    EXPECT_EQ(y.dtype(), x.dtype()) << name;
    EXPECT_EQ(std::memcmp(y.raw(), x.raw(), x.bytes()), 0) << name;
  }
}

TEST(Safetensors, NoTensorsAtAll) {
  const std::string path = ScratchDir() + "/f";
  ASSERT_TRUE(WriteSafetensors(path, {}).ok());
  EXPECT_EQ(ReadFile(path), std::string("\x08\0\0\0\0\0\0\0{}      ", 16));
  const absl::StatusOr<TensorFile> read = ReadSafetensors(path);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(read->tensors.empty() && read->metadata.empty());
}

// Byte for byte what the reference writer gives for these tensors.
TEST(Safetensors, WritesTheReferenceLayout) {
  const std::string path = ScratchDir() + "/f";
  TensorFile file;
  file.tensors["b"] = Tensor::FromVector({1}, {1.0}, DType::kBf16);
  file.tensors["a"] = Tensor::FromVector({1}, {2.0}, DType::kBf16);
  file.tensors["z"] = Tensor::FromVector({}, {1.0}, DType::kF32);
  file.metadata["format"] = "pt";
  ASSERT_TRUE(WriteSafetensors(path, file).ok());
  const std::string bytes = ReadFile(path);
  const uint64_t length = HeaderLength(bytes);
  EXPECT_EQ(length % 8, 0u);
  std::string header =
      R"({"__metadata__":{"format":"pt"},"z":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
      R"("a":{"dtype":"BF16","shape":[1],"data_offsets":[4,6]},)"
      R"("b":{"dtype":"BF16","shape":[1],"data_offsets":[6,8]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  EXPECT_EQ(bytes.substr(8, length), header);
  EXPECT_EQ(bytes.substr(8 + length), std::string("\0\0\x80\x3f\0\x40\x80\x3f", 8));
}

TEST(Safetensors, ReadsOnlyWhatIsWanted) {
  const std::string path = ScratchDir() + "/f";
  ASSERT_TRUE(WriteSafetensors(path, Example()).ok());
  const auto read = ReadSafetensors(path, [](const std::string& name) { return name == "i32"; });
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->tensors.size(), 1u);
  EXPECT_EQ(read->tensors.at("i32").Item(), -7.0);
  EXPECT_EQ(read->metadata.size(), 3u);
}

TEST(Safetensors, RefusesNamesTheFormatCannotHold) {
  const std::string path = ScratchDir() + "/f";
  for (const std::string name : {"__metadata__", "\xff"}) {
    TensorFile file;
    file.tensors[name] = Tensor::Full({}, 0.0, DType::kF32);
    const absl::Status status = WriteSafetensors(path, file);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_NE(status.message().find(path), absl::string_view::npos) << status;
  }
  TensorFile file;
  file.metadata["key"] = "not UTF-8: \xc3";
  EXPECT_EQ(WriteSafetensors(path, file).code(), absl::StatusCode::kInvalidArgument);
}

// Whatever the byte at which the disk is full.
TEST(Safetensors, FullDiskKeepsTheEarlierFile) {
  const std::string dir = ScratchDir(), path = dir + "/f";
  ASSERT_TRUE(WriteSafetensors(path, {}).ok());
  const std::string before = ReadFile(path), whole = dir + "/whole";
  ASSERT_TRUE(WriteSafetensors(whole, Example()).ok());
  const size_t size = ReadFile(whole).size();
  for (size_t room = 0; room < size; room += 7) {
    absl::Status status;
    {
      const FileSizeLimit full(room);
      status = WriteSafetensors(path, Example());
    }
    ASSERT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << room << ": " << status;
    ASSERT_EQ(ReadFile(path), before) << room;
    ASSERT_EQ(NamesIn(dir), (std::vector<std::string>{"f", "whole"})) << room;
  }
}

}  // namespace
}  // namespace palimpsest
