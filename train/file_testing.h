#ifndef TRAIN_FILE_TESTING_H_
#define TRAIN_FILE_TESTING_H_

#include <sys/resource.h>

#include <cstdint>
#include <string>
#include <vector>

namespace palimpsest {

// A new, empty folder for one test.
std::string ScratchDir();

std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, const std::string& contents);
// The names in `dir`, sorted.
std::vector<std::string> NamesIn(const std::string& dir);

// While alive, no file may grow past `bytes`: writes fall short and then fail, as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(uint64_t bytes);
  ~FileSizeLimit();

 private:
  rlimit before_;
  void (*handler_before_)(int);
};

}  // namespace palimpsest

#endif  // TRAIN_FILE_TESTING_H_
