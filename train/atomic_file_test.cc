#include "train/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "train/file_testing.h"

namespace palimpsest {
namespace {

using Names = std::vector<std::string>;

TEST(AtomicFile, ReplacesTheContents) {
  const std::string dir = ScratchDir(), path = dir + "/f";
  ASSERT_TRUE(WriteFileAtomically(path, "first").ok());
  ASSERT_TRUE(WriteFileAtomically(path, "second, longer").ok());
  EXPECT_EQ(ReadFile(path), "second, longer");
  ASSERT_TRUE(WriteFileAtomically(path, "").ok());
  EXPECT_EQ(ReadFile(path), "");
  EXPECT_EQ(NamesIn(dir), Names{"f"});
}

TEST(AtomicFile, KeepsTheOldContentsUntilCommitted) {
  const std::string dir = ScratchDir(), path = dir + "/f";
  WriteFile(path, "old");
  {
    absl::StatusOr<AtomicFile> file = AtomicFile::Create(path);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->Append("new", 3).ok());
    EXPECT_EQ(ReadFile(path), "old");
    EXPECT_EQ(NamesIn(dir).size(), 2u);
  }
  EXPECT_EQ(ReadFile(path), "old");
  EXPECT_EQ(NamesIn(dir), Names{"f"});
}

TEST(AtomicFile, TwoWritersDoNotMix) {
  const std::string dir = ScratchDir(), path = dir + "/f";
  absl::StatusOr<AtomicFile> a = AtomicFile::Create(path), b = AtomicFile::Create(path);
  ASSERT_TRUE(a.ok() && b.ok());
  ASSERT_TRUE(a->Append("a", 1).ok() && b->Append("bb", 2).ok());
  ASSERT_TRUE(a->Commit().ok());
  EXPECT_EQ(ReadFile(path), "a");
  ASSERT_TRUE(b->Commit().ok());
  EXPECT_EQ(ReadFile(path), "bb");
}

TEST(AtomicFile, FullDiskLeavesTheOldFileAndNoPartialOne) {
  const std::string dir = ScratchDir(), path = dir + "/f";
  WriteFile(path, "old");
  absl::Status status;
  {
    const FileSizeLimit full(1000);
    status = WriteFileAtomically(path, std::string(5000, 'x'));
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_NE(status.message().find(path), absl::string_view::npos) << status;
  EXPECT_EQ(ReadFile(path), "old");
  EXPECT_EQ(NamesIn(dir), Names{"f"});
}

TEST(AtomicFile, NamesAFolderThatIsNotThere) {
  const std::string path = ScratchDir() + "/none/f";
  const absl::Status status = WriteFileAtomically(path, "x");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << status;
  EXPECT_NE(status.message().find(path), absl::string_view::npos) << status;
}

TEST(AtomicFile, DoesNotReplaceAFolder) {
  const std::string dir = ScratchDir(), path = dir + "/f";
  ASSERT_EQ(mkdir(path.c_str(), 0777), 0);
  EXPECT_FALSE(WriteFileAtomically(path, "x").ok());
  EXPECT_EQ(NamesIn(dir), Names{"f"});
}

}  // namespace
}  // namespace palimpsest
