#include "kernels/cuda/simulator/grid.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include "core/check.h"
#include "kernels/cuda/simulator/fiber.h"
#include "kernels/cuda/simulator/memory.h"
#include "kernels/cuda/simulator/watch.h"

thread_local constinit palimpsest::simulator::Index3 threadIdx, blockIdx;
thread_local constinit palimpsest::simulator::Extent3 blockDim, gridDim;

namespace palimpsest::simulator {
namespace {

constexpr size_t kSharedAlignment = 128;
constexpr size_t kPage = 4096;

uint64_t Count(Extent3 e) { return uint64_t{e.x} * e.y * e.z; }

Index3 Unravel(uint64_t i, Extent3 e) {
  return {static_cast<unsigned>(i % e.x), static_cast<unsigned>(i / e.x % e.y),
          static_cast<unsigned>(i / e.x / e.y)};
}

// Shared memory that ends where a page begins that nothing may touch.
class SharedMemory {
 public:
  SharedMemory() : base_(Map(nullptr, kBytes + kPage)) {
    PALIMPSEST_CHECK(mprotect(base_ + kBytes, kPage, PROT_NONE) == 0);
  }
  ~SharedMemory() { munmap(base_, kBytes + kPage); }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  void* Renew(size_t bytes) {
    if (kWatched) Map(base_, kBytes);  // What the last block did with it is forgotten.
    const size_t size = (bytes + kSharedAlignment - 1) / kSharedAlignment * kSharedAlignment;
    return std::memset(base_ + kBytes - size, 0xff, size);
  }

 private:
  static constexpr size_t kBytes = (kMaxShared + kPage - 1) / kPage * kPage;

  static char* Map(char* at, size_t bytes) {
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | (at == nullptr ? 0 : MAP_FIXED);
    void* made = mmap(at, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    PALIMPSEST_CHECK(made != MAP_FAILED);
    return static_cast<char*>(made);
  }

  char* base_;
};

enum class State { kReady, kAtBlock, kAtWarp, kDone };

// A barrier, and the next: who comes to it has happened before who goes on from it.
struct Barrier {
  char turns[2];

  char* Turn(int n) { return &turns[n % 2]; }
};

struct Thread {
  explicit Thread(std::function<void()> body) : fiber(std::move(body)) {}

  Fiber fiber;
  Index3 index;
  State state = State::kReady;
  int exchanges = 0, warp_waits = 0, block_waits = 0;
};

struct Warp {
  unsigned threads = 0, waiting = 0, gone = 0;
  // Of one exchange and the next.
  alignas(16) char values[2][kWarp * kMaxSharedValue];
};

// The block that runs on this thread of the host, and what is kept for the next.
class Block {
 public:
  void Run(const char* kernel, Index3 index, Extent3 threads, size_t shared_bytes,
           absl::FunctionRef<void()> body, std::mt19937* random) {
    kernel_ = kernel;
    body_ = &body;
    Prepare(index, threads, shared_bytes);
    while (done_ < count_) {
      std::shuffle(order_.begin(), order_.end(), *random);
      // At times a warp runs ahead of the others, as far as it can.
      const bool ahead = (*random)() % 2 == 0;
      bool ran = false;
      for (const unsigned i : order_) {
        if (threads_[i]->state != State::kReady) continue;
        ran = true;
        Resume(i);
        if (ahead) RunWarp(i / kWarp);
      }
      PALIMPSEST_CHECK(ran) << kernel_ << ": threads of a block wait at different barriers, "
                            << waiting_ << " of " << count_ << " for the block";
    }
  }

  // What the host did before a launch the threads see, and the host what they did.
  void Launch() { HappensBefore(&launch_); }
  void End() { HappensAfter(&end_); }

  void WaitForBlock() {
    CheckNoneGone(done_);
    ++waiting_;
    Current().state = State::kAtBlock;
    Wait(barriers_[0].Turn(Current().block_waits++));
  }
  void WaitForWarp() {
    Warp& warp = warps_[current_ / kWarp];
    CheckNoneGone(warp.gone);
    ++warp.waiting;
    Current().state = State::kAtWarp;
    Wait(barriers_[1 + current_ / kWarp].Turn(Current().warp_waits++));
  }
  const void* Share(const void* value, size_t bytes) {
    char* values = warps_[current_ / kWarp].values[Current().exchanges++ % 2];
    std::memcpy(values + Lane() * bytes, value, bytes);
    WaitForWarp();
    return values;
  }
  void* shared() const { return shared_bytes_; }
  unsigned Lane() const { return current_ % kWarp; }

 private:
  Thread& Current() { return *threads_[current_]; }

  void Wait(char* at) {
    HappensBefore(at);
    Current().fiber.Pause();
    HappensAfter(at);
  }

  // A thread that has returned is no longer counted by some devices, and waited for by others.
  void CheckNoneGone(unsigned gone) const {
    PALIMPSEST_CHECK(gone == 0) << kernel_ << ": a thread returned, and another came to a barrier";
  }

  void Prepare(Index3 index, Extent3 threads, size_t shared_bytes) {
    count_ = static_cast<unsigned>(Count(threads));
    blockIdx = index;
    // One more, so that a thread is not who had its index in the last block.
    while (threads_.size() <= count_)
      threads_.push_back(std::make_unique<Thread>([this] { RunThread(); }));
    std::rotate(threads_.begin(), threads_.begin() + 1, threads_.end());
    warps_.resize((count_ + kWarp - 1) / kWarp);
    for (Warp& warp : warps_) warp.threads = warp.waiting = warp.gone = 0;
    barriers_ = std::make_unique<Barrier[]>(1 + warps_.size());
    order_.resize(count_);
    std::iota(order_.begin(), order_.end(), 0u);
    for (unsigned i = 0; i < count_; ++i) {
      Thread& thread = *threads_[i];
      thread.index = Unravel(i, threads);
      thread.state = State::kReady;
      thread.exchanges = thread.warp_waits = thread.block_waits = 0;
      thread.fiber.Start();
      ++warps_[i / kWarp].threads;
    }
    done_ = waiting_ = 0;
    shared_bytes_ = shared_memory_.Renew(shared_bytes);
  }

  void RunThread() {
    HappensAfter(&launch_);
    (*body_)();
    HappensBefore(&end_);
  }

  void RunWarp(unsigned warp) {
    for (bool ran = true; ran;) {
      ran = false;
      for (unsigned i = warp * kWarp; i < warp * kWarp + warps_[warp].threads; ++i) {
        if (threads_[i]->state != State::kReady) continue;
        ran = true;
        Resume(i);
      }
    }
  }

  void Resume(unsigned i) {
    current_ = i;
    threadIdx = threads_[i]->index;
    Warp& warp = warps_[i / kWarp];
    if (threads_[i]->fiber.Resume()) {
      threads_[i]->state = State::kDone;
      ++done_;
      ++warp.gone;
      return;
    }
    if (warp.waiting == warp.threads) {
      warp.waiting = 0;
      Release(i / kWarp * kWarp, warp.threads);
    }
    if (waiting_ == count_) {
      waiting_ = 0;
      Release(0, count_);
    }
  }

  void Release(unsigned begin, unsigned count) {
    for (unsigned i = begin; i < begin + count; ++i) threads_[i]->state = State::kReady;
  }

  const char* kernel_ = "";
  const absl::FunctionRef<void()>* body_ = nullptr;
  char launch_, end_;
  unsigned count_ = 0, done_ = 0, waiting_ = 0, current_ = 0;
  std::vector<std::unique_ptr<Thread>> threads_;
  std::vector<Warp> warps_;
  std::unique_ptr<Barrier[]> barriers_;  // The block's, then the warps'. New ones know of nobody.
  std::vector<unsigned> order_;
  SharedMemory shared_memory_;
  void* shared_bytes_ = nullptr;
};

Block& CurrentBlock() {
  static thread_local Block block;
  return block;
}

std::mutex allowed_mutex;

std::map<const void*, size_t>& AllowedShared() {
  static auto* allowed = new std::map<const void*, size_t>;
  return *allowed;
}

size_t MostShared(const void* kernel) {
  constexpr size_t kGranted = size_t{48} << 10;
  const std::lock_guard lock(allowed_mutex);
  const auto it = AllowedShared().find(kernel);
  return it == AllowedShared().end() ? kGranted : std::max(kGranted, it->second);
}

}  // namespace

void AllowShared(const void* kernel, size_t bytes) {
  const std::lock_guard lock(allowed_mutex);
  AllowedShared()[kernel] = bytes;
}

bool CanLaunch(const void* kernel, Extent3 blocks, Extent3 threads, size_t shared_bytes) {
  return Count(blocks) > 0 && Count(threads) > 0 && blocks.x <= 2147483647u && blocks.y <= 65535 &&
         blocks.z <= 65535 && threads.x <= 1024 && threads.y <= 1024 && threads.z <= 64 &&
         Count(threads) <= 1024 && shared_bytes <= MostShared(kernel);
}

void RunGrid(const char* kernel, Extent3 blocks, Extent3 threads, size_t shared_bytes,
             absl::FunctionRef<void()> thread) {
  static std::atomic<unsigned> launches = 0;
  std::mt19937 random(launches++);
  const OpenMemory open(kernel);
  const Unwatched simulator;
  CurrentBlock().Launch();
  gridDim = blocks;
  blockDim = threads;
  std::vector<uint64_t> order(Count(blocks));
  std::iota(order.begin(), order.end(), uint64_t{0});
  std::shuffle(order.begin(), order.end(), random);
  for (const uint64_t i : order)
    CurrentBlock().Run(kernel, Unravel(i, blocks), threads, shared_bytes, thread, &random);
  CurrentBlock().End();
}

void WaitForBlock() {
  const Unwatched simulator;
  CurrentBlock().WaitForBlock();
}
void WaitForWarp() {
  const Unwatched simulator;
  CurrentBlock().WaitForWarp();
}
void* SharedBytes() { return CurrentBlock().shared(); }
const void* ShareBytes(const void* value, size_t bytes) {
  const Unwatched simulator;
  return CurrentBlock().Share(value, bytes);
}
unsigned Lane() { return CurrentBlock().Lane(); }

}  // namespace palimpsest::simulator
