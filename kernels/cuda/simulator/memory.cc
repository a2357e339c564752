#include "kernels/cuda/simulator/memory.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>

#include "core/check.h"
#include "core/op_scope.h"

namespace palimpsest::simulator {
namespace {

constexpr size_t kAlignment = 256;
constexpr size_t kFence = 256;  // Bytes after an allocation that nobody may write.
constexpr int kFenceByte = 0xff;
constexpr size_t kHugePage = size_t{2} << 20;  // So that opening and closing touches few of them.

size_t RoundUp(size_t n, size_t to) { return (n + to - 1) / to * to; }

// Says which op touched device memory on the host, then lets the fault take its course.
void ReportFault(int, siginfo_t* info, void*);

class Memory {
 public:
  static Memory& Get() {
    static auto* memory = new Memory;
    return *memory;
  }

  void* Allocate(size_t bytes) {
    const std::lock_guard lock(mutex_);
    const size_t want = RoundUp(std::max<size_t>(bytes, 1), kAlignment) + kFence;
    size_t at = 0;  // The first gap that is large enough.
    for (const auto& [begin, size] : live_) {
      if (begin - at >= want) break;
      at = begin + RoundUp(size, kAlignment) + kFence;
    }
    if (at + want > kDeviceBytes) return nullptr;
    live_[at] = bytes;
    if (at + want > used_) used_ = RoundUp(at + want, kHugePage);
    Open();
    std::memset(base_ + at, kFenceByte, want);
    Close();
    return base_ + at;
  }

  void Free(void* data) {
    const std::lock_guard lock(mutex_);
    const auto freed = live_.erase(static_cast<char*>(data) - base_);
    PALIMPSEST_CHECK(freed == 1) << "freed what is no device memory";
  }

  bool Holds(const void* data) const { return data >= base_ && data < base_ + kDeviceBytes; }

  void Open() {
    mutex_.lock();
    if (depth_++ == 0) Protect(PROT_READ | PROT_WRITE);
  }
  void Close() {
    if (--depth_ == 0) Protect(PROT_NONE);
    mutex_.unlock();
  }

  void CheckFences(const char* what) const {
    for (const auto& [begin, size] : live_) {
      const char *end = base_ + begin + size, *fence = base_ + begin + RoundUp(size, kAlignment);
      const bool whole = std::all_of(end, fence + kFence,
                                     [](char c) { return c == static_cast<char>(kFenceByte); });
      PALIMPSEST_CHECK(whole) << what << " wrote past the end of an allocation of " << size
                              << " bytes";
    }
  }

 private:
  Memory() {
    void* made = mmap(nullptr, kDeviceBytes + kHugePage, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    PALIMPSEST_CHECK(made != MAP_FAILED) << "no address space for a simulated device";
    base_ = reinterpret_cast<char*>(RoundUp(reinterpret_cast<uintptr_t>(made), kHugePage));
    (void)madvise(base_, kDeviceBytes, MADV_HUGEPAGE);  // Only advice.
    struct sigaction action = {};
    action.sa_sigaction = ReportFault;
    action.sa_flags = SA_SIGINFO | SA_RESETHAND;
    PALIMPSEST_CHECK(sigaction(SIGSEGV, &action, nullptr) == 0);
  }
  void Protect(int how) {
    if (used_ > 0) PALIMPSEST_CHECK(mprotect(base_, used_, how) == 0);
  }

  std::recursive_mutex mutex_;
  int depth_ = 0;
  char* base_ = nullptr;
  size_t used_ = 0;                // Bytes from the base that were ever allocated, whole pages.
  std::map<size_t, size_t> live_;  // From offset to bytes.
};

void ReportFault(int, siginfo_t* info, void*) {
  if (!Memory::Get().Holds(info->si_addr)) return;
  const auto say = [](const char* text) { (void)!write(STDERR_FILENO, text, std::strlen(text)); };
  const char* op = OpScope::Current();
  say(*op != '\0' ? op : "(no op)");
  say(": the host touched memory of a CUDA device\n");
}

}  // namespace

void* AllocateMemory(size_t bytes) { return Memory::Get().Allocate(bytes); }
void FreeMemory(void* data) { Memory::Get().Free(data); }
bool IsDeviceMemory(const void* data) { return Memory::Get().Holds(data); }

OpenMemory::OpenMemory(const char* what) : what_(what) { Memory::Get().Open(); }
OpenMemory::~OpenMemory() {
  Memory::Get().CheckFences(what_);
  Memory::Get().Close();
}

}  // namespace palimpsest::simulator
