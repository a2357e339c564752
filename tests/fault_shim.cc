// Preloaded into a program, stops it or fails one of its system calls on files below FAULT_DIR.
// FAULT is KIND@N, for the N-th of them:
//   kill   the process ends before the call
//   power  so does the machine: what was not flushed to disk is lost, renames among it
//   EIO    the call fails
//   full   the disk is full from this call on
//   short  a write writes only half
// At its end the process writes the number of such calls to FAULT_COUNT.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace {

struct File {
  std::string path;
  off_t synced = 0;
};

struct Faults {
  std::mutex mutex;
  std::string dir, kind;
  long at = 0, calls = 0;
  std::map<int, File> open;
  std::map<std::string, off_t> lost_from;  // Files with data not flushed: how much is.
  std::vector<std::pair<std::string, std::string>> renames;  // Not flushed; to what was not there.
};

std::string Env(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

Faults& All() {
  static Faults* all = [] {
    auto* f = new Faults;
    f->dir = Env("FAULT_DIR");
    const std::string fault = Env("FAULT");
    const size_t at = fault.find('@');
    f->kind = fault.substr(0, at);
    if (at != std::string::npos) f->at = atol(fault.c_str() + at + 1);
    return f;
  }();
  return *all;
}

bool Inside(const std::string& path) {
  const std::string& dir = All().dir;
  return !dir.empty() && path.compare(0, dir.size(), dir) == 0;
}

[[noreturn]] void Die() {
  syscall(SYS_kill, getpid(), SIGKILL);
  for (;;) pause();
}

[[noreturn]] void LosePower() {
  Faults& f = All();
  for (auto it = f.renames.rbegin(); it != f.renames.rend(); ++it) {
    syscall(SYS_rename, it->second.c_str(), it->first.c_str());
    if (const auto lost = f.lost_from.find(it->second); lost != f.lost_from.end())
      f.lost_from[it->first] = lost->second;
  }
  for (const auto& [path, size] : f.lost_from) syscall(SYS_truncate, path.c_str(), size);
  Die();
}

enum class Call { kRead, kMakes, kWrite, kOther };

// 0, or the error that this call on `path` is to fail with; -1: it is to fall short.
int Fault(const std::string& path, Call call) {
  Faults& f = All();
  if (!Inside(path)) return 0;
  ++f.calls;
  const bool grows = call == Call::kMakes || call == Call::kWrite;
  if (f.at > 0 && f.calls > f.at && f.kind == "full" && grows) return ENOSPC;
  if (f.calls != f.at) return 0;
  if (f.kind == "kill") Die();
  if (f.kind == "power") LosePower();
  if (f.kind == "EIO") return EIO;
  if (f.kind == "full" && grows) return ENOSPC;
  return f.kind == "short" && call == Call::kWrite ? -1 : 0;
}

std::string PathOf(int fd) {
  const auto it = All().open.find(fd);
  return it == All().open.end() ? "" : it->second.path;
}

int Fail(int error) {
  errno = error;
  return -1;
}

int Open(const char* path, int flags, mode_t mode) {
  const std::lock_guard<std::mutex> lock(All().mutex);
  if (const int error = Fault(path, flags & O_CREAT ? Call::kMakes : Call::kRead); error > 0)
    return Fail(error);
  const int fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, mode));
  struct stat info = {};
  if (fd >= 0 && Inside(path) && fstat(fd, &info) == 0) All().open[fd] = {path, info.st_size};
  return fd;
}

int Sync(int call, int fd) {
  const std::lock_guard<std::mutex> lock(All().mutex);
  Faults& f = All();
  const std::string path = PathOf(fd);
  if (const int error = Fault(path, Call::kOther); error > 0) return Fail(error);
  const int result = static_cast<int>(syscall(call, fd));
  struct stat info = {};
  if (path.empty() || result != 0 || fstat(fd, &info) != 0) return result;
  if (S_ISDIR(info.st_mode)) f.renames.clear();
  f.open[fd].synced = info.st_size;
  f.lost_from.erase(path);
  return result;
}

int Remove(const char* path, int flags) {
  const std::lock_guard<std::mutex> lock(All().mutex);
  if (const int error = Fault(path, Call::kOther); error > 0) return Fail(error);
  return static_cast<int>(syscall(SYS_unlinkat, AT_FDCWD, path, flags));
}

__attribute__((destructor)) void Count() {
  const std::string path = Env("FAULT_COUNT");
  if (path.empty()) return;
  if (FILE* out = fopen(path.c_str(), "w")) {
    fprintf(out, "%ld\n", All().calls);
    fclose(out);
  }
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list args;
  va_start(args, flags);
  const mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
  va_end(args);
  return Open(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list args;
  va_start(args, flags);
  const mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
  va_end(args);
  return Open(path, flags, mode);
}

ssize_t write(int fd, const void* data, size_t bytes) {
  const std::lock_guard<std::mutex> lock(All().mutex);
  Faults& f = All();
  const std::string path = PathOf(fd);
  const int error = Fault(path, Call::kWrite);
  if (error > 0) return Fail(error);
  if (error < 0 && bytes > 1) bytes /= 2;
  if (!path.empty()) f.lost_from.emplace(path, f.open[fd].synced);
  return syscall(SYS_write, fd, data, bytes);
}

int fsync(int fd) { return Sync(SYS_fsync, fd); }
int fdatasync(int fd) { return Sync(SYS_fdatasync, fd); }

int ftruncate(int fd, off_t length) {
  const std::lock_guard<std::mutex> lock(All().mutex);
  if (const int error = Fault(PathOf(fd), Call::kOther); error > 0) return Fail(error);
  return static_cast<int>(syscall(SYS_ftruncate, fd, length));
}

int close(int fd) {
  const std::lock_guard<std::mutex> lock(All().mutex);
  const int error = Fault(PathOf(fd), Call::kOther);
  All().open.erase(fd);
  const int result = static_cast<int>(syscall(SYS_close, fd));
  return error > 0 ? Fail(error) : result;
}

int rename(const char* from, const char* to) {
  const std::lock_guard<std::mutex> lock(All().mutex);
  Faults& f = All();
  if (const int error = Fault(from, Call::kOther); error > 0) return Fail(error);
  struct stat info = {};
  const bool fresh = stat(to, &info) != 0;
  const int result = static_cast<int>(syscall(SYS_rename, from, to));
  if (result != 0 || !Inside(from)) return result;
  if (fresh) f.renames.emplace_back(from, to);
  if (const auto lost = f.lost_from.find(from); lost != f.lost_from.end()) {
    f.lost_from[to] = lost->second;
    f.lost_from.erase(from);
  }
  return result;
}

int mkdir(const char* path, mode_t mode) {
  const std::lock_guard<std::mutex> lock(All().mutex);
  if (const int error = Fault(path, Call::kMakes); error > 0) return Fail(error);
  return static_cast<int>(syscall(SYS_mkdir, path, mode));
}

int unlink(const char* path) { return Remove(path, 0); }

int remove(const char* path) {
  struct stat info = {};
  const bool directory = lstat(path, &info) == 0 && S_ISDIR(info.st_mode);
  return Remove(path, directory ? AT_REMOVEDIR : 0);
}

}  // extern "C"
