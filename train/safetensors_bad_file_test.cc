#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "train/file_testing.h"
#include "train/safetensors.h"

namespace palimpsest {
namespace {

std::string WithHeader(const std::string& header, const std::string& data = "") {
  std::string bytes(8, '\0');
  const uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, sizeof(length));
  return bytes + header + data;
}

std::string Entry(const std::string& shape, const std::string& offsets,
                  const std::string& dtype = "F32") {
  return absl::StrCat(R"("x":{"dtype":")", dtype, R"(","shape":)", shape, R"(,"data_offsets":)",
                      offsets, "}");
}

struct BadFile {
  std::string what;  // The case, and part of the message it must give.
  std::string message;
  std::string bytes;
};

void PrintTo(const BadFile& bad, std::ostream* os) { *os << bad.what; }

class BadFileTest : public ::testing::TestWithParam<BadFile> {};

TEST_P(BadFileTest, IsAnErrorThatNamesFileAndFault) {
  const std::string path = ScratchDir() + "/bad.safetensors";
  WriteFile(path, GetParam().bytes);
  const absl::Status status = ReadSafetensors(path).status();
  ASSERT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_TRUE(absl::StartsWith(status.message(), path)) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), GetParam().message)) << status;
  EXPECT_FALSE(absl::StrContains(status.message(), "\n")) << status;
  EXPECT_EQ(CheckSafetensors(path), status);
}

const std::string kFour(4, '\0'), kSixteen(16, '\0');

// The cases of the reference implementation's tests, then those of the security audit, then JSON's
// traps.
INSTANTIATE_TEST_SUITE_P(
    Reference, BadFileTest,
    ::testing::ValuesIn(std::vector<BadFile>{
        {"incomplete_buffer", "describes 16 bytes of data, but 15 follow",
         WithHeader("{" + Entry("[2,2]", "[0,16]") + "}", kSixteen.substr(1))},
        {"extra_bytes", "describes 16 bytes of data, but 26 follow",
         WithHeader("{" + Entry("[2,2]", "[0,16]") + "}", kSixteen + "extra_data")},
        {"header_too_large", "a header of 18446744073709551615 bytes",
         std::string(8, '\xff') + "{}"},
        {"header_over_limit", "a header of 100000001 bytes",
         std::string("\x01\xe1\xf5\x05\0\0\0\0", 8) + "{}"},
        {"header_too_small", "0 bytes", ""},
        {"seven_bytes", "7 bytes", std::string(7, '\0')},
        {"invalid_header_length", "a header of 60 bytes in a file of 8",
         std::string("<\0\0\0\0\0\0\0", 8)},
        {"non_utf8", "bad header", WithHeader("\xff")},
        {"non_utf8_name", "UTF-8", WithHeader("{\"\xff\":{}}")},
        {"not_json", "bad header", WithHeader("{")},
        {"empty_header", "not a JSON object", WithHeader("")},
        {"invalid_info", "F32 [2,2] takes 16 bytes, but its data_offsets [0,4] hold 4",
         WithHeader("{" + Entry("[2,2]", "[0,4]") + "}", kFour)},
        {"overflow_of_elements", "more elements than can be counted",
         WithHeader("{" + Entry("[2,18446744073709551614]", "[0,16]") + "}", kSixteen)},
        {"overflow_of_bits", "more bits than can be counted",
         WithHeader("{" + Entry("[2,4611686018427387903]", "[0,16]") + "}", kSixteen)},
        {"overflow_of_product", "more elements than can be counted",
         WithHeader("{" + Entry("[2,9223372036854775807]", "[0,16]") + "}", kSixteen)},
        {"overlap_attack", "should begin at 4",
         WithHeader(
             R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
             kFour)},
    }),
    [](const auto& info) { return info.param.what; });

INSTANTIATE_TEST_SUITE_P(
    Audit, BadFileTest,
    ::testing::ValuesIn(std::vector<BadFile>{
        {"hole_at_the_start", "should begin at 0",
         WithHeader("{" + Entry("[1]", "[4,8]") + "}", kFour + kFour)},
        {"hole_between", "'b': data_offsets [8,12] should begin at 4",
         WithHeader(
             R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
             kSixteen.substr(4))},
        {"end_before_begin", "end before they begin",
         WithHeader(
             R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[0],"data_offsets":[4,0]}})",
             kFour)},
        {"out_of_range", "F32 [1] takes 4 bytes",
         WithHeader("{" + Entry("[1]", "[0,18446744073709551615]") + "}", kFour)},
        {"negative_offset", "a negative number in its 'data_offsets'",
         WithHeader("{" + Entry("[1]", "[-4,0]") + "}", kFour)},
        {"negative_extent", "a negative number in its 'shape'",
         WithHeader("{" + Entry("[-1]", "[0,4]") + "}", kFour)},
        {"huge_extent_of_nothing", "more elements",
         WithHeader("{" + Entry("[9223372036854775807,9223372036854775807,0]", "[0,0]") + "}")},
        {"extent_past_64_bits", "not a 64-bit integer",
         WithHeader("{" + Entry("[18446744073709551616]", "[0,4]") + "}", kFour)},
        {"fraction", "not a 64-bit integer",
         WithHeader("{" + Entry("[1.0]", "[0,4]") + "}", kFour)},
        {"unknown_dtype", "unknown dtype 'F33'",
         WithHeader("{" + Entry("[1]", "[0,4]", "F33") + "}", kFour)},
        {"half_a_byte", "does not fill whole bytes",
         WithHeader("{" + Entry("[1]", "[0,1]", "F4") + "}", "\x01")},
        {"one_offset", "1 data_offsets, not 2", WithHeader("{" + Entry("[1]", "[0]") + "}", kFour)},
        {"three_offsets", "3 data_offsets, not 2",
         WithHeader("{" + Entry("[1]", "[0,4,4]") + "}", kFour)},
        {"data_without_tensors", "describes 0 bytes of data, but 4 follow",
         WithHeader("{}", kFour)},
    }),
    [](const auto& info) { return info.param.what; });

INSTANTIATE_TEST_SUITE_P(
    Json, BadFileTest,
    ::testing::ValuesIn(std::vector<BadFile>{
        {"duplicate_tensor", "'x' occurs twice",
         WithHeader("{" + Entry("[1]", "[0,4]") + "," + Entry("[1]", "[4,8]") + "}",
                    kFour + kFour)},
        {"duplicate_by_escape", "'x' occurs twice",
         WithHeader("{" + Entry("[1]", "[0,4]") +
                        R"(,"\u0078":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                    kFour + kFour)},
        {"duplicate_field", "shape occurs twice",
         WithHeader(R"({"x":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}})",
                    kFour)},
        {"duplicate_metadata_key", "metadata key 'a' occurs twice",
         WithHeader(R"({"__metadata__":{"a":"1","a":"2"}})")},
        {"metadata_twice", "'__metadata__' occurs twice",
         WithHeader(R"({"__metadata__":{},"__metadata__":{}})")},
        {"metadata_of_numbers", "a number in the metadata, at 'a'",
         WithHeader(R"({"__metadata__":{"a":1}})")},
        {"nested_metadata", "an object in the metadata",
         WithHeader(R"({"__metadata__":{"a":{"b":"c"}}})")},
        {"unknown_field", "unknown field 'scale'",
         WithHeader(R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"scale":2}})", kFour)},
        {"no_dtype", "'x' has no dtype",
         WithHeader(R"({"x":{"shape":[1],"data_offsets":[0,4]}})", kFour)},
        {"no_shape", "'x' has no shape",
         WithHeader(R"({"x":{"dtype":"F32","data_offsets":[0,4]}})", kFour)},
        {"no_offsets", "'x' has no data_offsets",
         WithHeader(R"({"x":{"dtype":"F32","shape":[1]}})", kFour)},
        {"empty_entry", "'x' has no dtype", WithHeader(R"({"x":{}})")},
        {"tensor_is_a_string", "a string where 'x' should have an object",
         WithHeader(R"({"x":"y"})")},
        {"shape_is_a_string", "a string in its 'shape'",
         WithHeader(R"({"x":{"dtype":"F32","shape":"1","data_offsets":[0,4]}})", kFour)},
        {"dtype_is_null", "null in its 'dtype'",
         WithHeader(R"({"x":{"dtype":null,"shape":[1],"data_offsets":[0,4]}})", kFour)},
        {"array_at_the_root", "not a JSON object", WithHeader("[]")},
        {"text_after_the_object", "bad header", WithHeader("{} x")},
        {"second_object", "bad header", WithHeader("{}{}")},
        {"nul_after_the_object", "a NUL", WithHeader(std::string("{}\0PK", 5))},
        {"byte_order_mark", "not a JSON object", WithHeader("\xef\xbb\xbf{}")},
        {"comment", "bad header", WithHeader("{/**/}")},
        {"newline_in_a_name", R"('a\nb' has no dtype)", WithHeader(R"({"a\nb":{}})")},
        {"deep_arrays", "an array in its 'shape'",
         WithHeader(R"({"x":{"shape":)" + std::string(1'000'000, '['))},
        {"deep_objects", "an object in its 'shape'",
         WithHeader(R"({"x":{"shape":)" + std::string(1'000'000, '{'))},
    }),
    [](const auto& info) { return info.param.what; });

TEST(SafetensorsFile, AcceptsPaddingAndZeroSizes) {
  const std::string path = ScratchDir() + "/f";
  const std::vector<std::string> good = {
      WithHeader("{" + Entry("[2,2]", "[0,16]") + "}      ", kSixteen),
      WithHeader(" \n\t{" + Entry("[2,2]", "[0,16]") + "}", kSixteen),
      WithHeader("{" + Entry("[2,0]", "[0,0]") + "}"),
      WithHeader("{" + Entry("[]", "[0,4]") + "}", kFour),
      WithHeader("{" + Entry("[]", "[0,4]") + R"(,"__metadata__":{"framework":"pt"}})", kFour),
  };
  for (const std::string& bytes : good) {
    WriteFile(path, bytes);
    EXPECT_TRUE(ReadSafetensors(path).ok()) << ReadSafetensors(path).status();
  }
}

TEST(SafetensorsFile, NamesADTypeItDoesNotRead) {
  const std::string path = ScratchDir() + "/f";
  WriteFile(path, WithHeader("{" + Entry("[2]", "[0,4]", "F16") + "}", kFour));
  const absl::Status status = ReadSafetensors(path).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "'x'") &&
              absl::StrContains(status.message(), "F16"))
      << status;
  EXPECT_TRUE(ReadSafetensors(path, [](const std::string&) { return false; }).ok());
}

TEST(SafetensorsFile, MissingFileFolderAndDevice) {
  const std::string dir = ScratchDir();
  EXPECT_EQ(ReadSafetensors(dir + "/none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(absl::StrContains(ReadSafetensors(dir).status().message(), "a directory"));
  EXPECT_TRUE(
      absl::StrContains(ReadSafetensors("/dev/null").status().message(), "not a regular file"));
}

std::string SmallFile() {
  return WithHeader(
      R"({"__metadata__":{"k":"v"},"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},)"
      R"("b":{"dtype":"I32","shape":[2],"data_offsets":[8,16]}})",
      kSixteen);
}

TEST(SafetensorsFile, TruncatedAnywhereIsAnError) {
  const std::string path = ScratchDir() + "/f", whole = SmallFile();
  WriteFile(path, whole);
  ASSERT_TRUE(ReadSafetensors(path).ok());
  for (size_t length = 0; length < whole.size(); ++length) {
    WriteFile(path, whole.substr(0, length));
    EXPECT_EQ(ReadSafetensors(path).status().code(), absl::StatusCode::kInvalidArgument) << length;
  }
}

// A flipped bit gives an error or, in a name or a value, another file that is as valid.
TEST(SafetensorsFile, FlippedBitsDoNoHarm) {
  const std::string path = ScratchDir() + "/f", whole = SmallFile();
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string bytes = whole;
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
    WriteFile(path, bytes);
    const absl::StatusOr<TensorFile> read = ReadSafetensors(path);
    if (!read.ok()) continue;
    int64_t data = 0;
    for (const auto& [name, x] : read->tensors) data += x.bytes();
    EXPECT_EQ(data, 16) << bit;
  }
}

}  // namespace
}  // namespace palimpsest
