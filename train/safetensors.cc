#include "train/safetensors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/crc32c.h"
#include "core/parallel.h"
#include "train/atomic_file.h"
#include "train/safetensors_checksum.h"
#include "train/safetensors_header.h"

namespace palimpsest {
namespace {

static_assert(std::endian::native == std::endian::little, "the format's numbers are little-endian");

absl::Status InFile(const std::string& path, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

absl::Status NotValid(const std::string& path, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": not a safetensors file: ", what));
}

// A regular file, open for reading at any offset.
class InputFile {
 public:
  static absl::StatusOr<InputFile> Open(const std::string& path) {
    struct stat info;
    // Before opening, which waits for a writer if it is a pipe.
    if (stat(path.c_str(), &info) != 0) return Failed(path, "opening");
    if (!S_ISREG(info.st_mode))
      return NotValid(path, S_ISDIR(info.st_mode) ? "a directory" : "not a regular file");
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return Failed(path, "opening");
    return InputFile(path, fd, static_cast<uint64_t>(info.st_size));
  }
  InputFile(InputFile&& other) noexcept
      : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}
  ~InputFile() {
    if (fd_ >= 0) close(fd_);
  }

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }

  absl::Status Read(uint64_t offset, void* to, uint64_t bytes) const {
    char* at = static_cast<char*>(to);
    while (bytes > 0) {
      const ssize_t n =
          pread(fd_, at, std::min(bytes, uint64_t{1} << 30), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Failed(path_, "reading");
      if (n == 0)
        return absl::DataLossError(absl::StrCat(path_, ": became shorter while it was read"));
      at += n, offset += static_cast<uint64_t>(n), bytes -= static_cast<uint64_t>(n);
    }
    return absl::OkStatus();
  }

 private:
  InputFile(std::string path, int fd, uint64_t size)
      : path_(std::move(path)), fd_(fd), size_(size) {}
  static absl::Status Failed(const std::string& path, const char* doing) {
    const int error = errno;
    const std::string message = absl::StrCat(path, ": ", doing, ": ", std::strerror(error));
    return error == ENOENT ? absl::NotFoundError(message) : absl::UnknownError(message);
  }

  std::string path_;
  int fd_;
  uint64_t size_;
};

struct ParsedFile {
  SafetensorsHeader header;
  uint64_t data_begin;
};

absl::StatusOr<ParsedFile> Parse(const InputFile& file) {
  if (file.size() < kSafetensorsLengthBytes) {
    return NotValid(file.path(),
                    absl::StrCat(file.size(), " bytes; the length of its header alone takes 8"));
  }
  uint64_t length;
  if (absl::Status s = file.Read(0, &length, sizeof(length)); !s.ok()) return s;
  if (length > kMaxSafetensorsHeader) {
    return NotValid(file.path(), absl::StrCat("a header of ", length, " bytes; the format allows ",
                                              kMaxSafetensorsHeader));
  }
  const uint64_t data_begin = kSafetensorsLengthBytes + length;
  if (data_begin > file.size()) {
    return NotValid(file.path(),
                    absl::StrCat("a header of ", length, " bytes in a file of ", file.size()));
  }
  std::string text(length, '\0');
  if (absl::Status s = file.Read(kSafetensorsLengthBytes, text.data(), length); !s.ok()) return s;
  absl::StatusOr<SafetensorsHeader> header = ParseSafetensorsHeader(text, file.size() - data_begin);
  if (!header.ok()) return InFile(file.path(), header.status());
  if (absl::Status s = TakeChecksums(text, &*header); !s.ok()) return InFile(file.path(), s);
  return ParsedFile{*std::move(header), data_begin};
}

absl::StatusOr<Tensor> ReadTensor(const InputFile& file, uint64_t data_begin,
                                  const TensorEntry& entry, bool check) {
  const std::optional<DType> dtype = DTypeOfSafetensors(entry.dtype);
  if (!dtype) {
    return absl::UnimplementedError(
        absl::StrCat(file.path(), ": tensor ", QuotedName(entry.name), ": dtype ", entry.dtype,
                     " is not supported; F64, F32, BF16, I32 and I64 are"));
  }
  Tensor x = Tensor::Empty(Shape(entry.shape.begin(), entry.shape.end()), *dtype);
  if (absl::Status s =
          file.Read(data_begin + entry.begin, x.mutable_raw(), entry.end - entry.begin);
      !s.ok())
    return s;
  if (check && entry.crc32c != Crc32c(x.raw(), static_cast<size_t>(x.bytes())))
    return absl::DataLossError(absl::StrCat(file.path(), ": damaged: the data of tensor ",
                                            QuotedName(entry.name),
                                            " are not those that were written"));
  return x;
}

// The tensors of `file` by dtype, widest first, then by name: so every one is aligned.
SafetensorsHeader LayOut(const TensorFile& file) {
  SafetensorsHeader header{{}, file.metadata, file.checksums};
  for (const auto& [name, x] : file.tensors) {
    header.tensors.push_back(
        {name, SafetensorsName(x.dtype()), {x.shape().begin(), x.shape().end()}, 0, 0});
  }
  std::stable_sort(header.tensors.begin(), header.tensors.end(),
                   [](const TensorEntry& a, const TensorEntry& b) {
                     return SafetensorsOrder(a.dtype) > SafetensorsOrder(b.dtype);
                   });
  uint64_t end = 0;
  for (TensorEntry& t : header.tensors) {
    t.begin = end;
    t.end = end += static_cast<uint64_t>(file.tensors.at(t.name).bytes());
  }
  return header;
}

void FillInChecksums(const TensorFile& file, SafetensorsHeader* header) {
  ParallelFor(static_cast<int64_t>(header->tensors.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      TensorEntry& t = header->tensors[static_cast<size_t>(i)];
      const Tensor x = CopyTo(file.tensors.at(t.name), Device::kCpu);
      t.crc32c = Crc32c(x.raw(), static_cast<size_t>(x.bytes()));
    }
  });
}

}  // namespace

absl::StatusOr<TensorFile> ReadSafetensors(const std::string& path, TensorFilter wanted) {
  const absl::StatusOr<InputFile> file = InputFile::Open(path);
  if (!file.ok()) return file.status();
  absl::StatusOr<ParsedFile> parsed = Parse(*file);
  if (!parsed.ok()) return parsed.status();
  TensorFile result{{}, std::move(parsed->header.metadata), parsed->header.checksums};
  for (const TensorEntry& entry : parsed->header.tensors) {
    if (!wanted(entry.name)) continue;
    absl::StatusOr<Tensor> x = ReadTensor(*file, parsed->data_begin, entry, result.checksums);
    if (!x.ok()) return x.status();
    result.tensors.emplace(entry.name, *std::move(x));
  }
  return result;
}

absl::StatusOr<TensorFile> ReadSafetensors(const std::string& path) {
  return ReadSafetensors(path, [](const std::string&) { return true; });
}

absl::Status CheckSafetensors(const std::string& path) {
  const absl::StatusOr<InputFile> file = InputFile::Open(path);
  return file.ok() ? Parse(*file).status() : file.status();
}

absl::Status WriteSafetensors(const std::string& path, const TensorFile& file) {
  SafetensorsHeader header = LayOut(file);
  if (file.checksums) FillInChecksums(file, &header);
  const absl::StatusOr<std::string> text =
      file.checksums ? FormatWithChecksums(header) : FormatSafetensorsHeader(header);
  if (!text.ok()) return InFile(path, text.status());
  absl::StatusOr<AtomicFile> out = AtomicFile::Create(path);
  if (!out.ok()) return out.status();
  const uint64_t length = text->size();
  if (absl::Status s = out->Append(&length, sizeof(length)); !s.ok()) return s;
  if (absl::Status s = out->Append(text->data(), text->size()); !s.ok()) return s;
  for (const TensorEntry& t : header.tensors) {
    const Tensor x = CopyTo(file.tensors.at(t.name), Device::kCpu);
    if (absl::Status s = out->Append(x.raw(), t.end - t.begin); !s.ok()) return s;
  }
  return out->Commit();
}

}  // namespace palimpsest
