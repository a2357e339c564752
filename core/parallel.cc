#include "core/parallel.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "core/check.h"

namespace palimpsest {
namespace {

thread_local bool in_parallel = false;

// A job is a body and a counter of parts not yet taken; the caller and the workers that come in
// time take parts until none is left. A worker that the machine keeps from running delays nobody.
class Pool {
 public:
  explicit Pool(int threads) {
    try {
      for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { Work(); });
    } catch (const std::system_error&) {
      // The machine gives no more. Fewer compute the same bits, and NumThreads() says how many.
    }
  }
  ~Pool() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (std::thread& w : workers_) w.join();
  }

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  void Run(int64_t n, int64_t part, absl::FunctionRef<void(int64_t, int64_t)> body) {
    const std::lock_guard one_at_a_time(run_mutex_);
    {
      const std::lock_guard lock(mutex_);
      body_ = &body;
      n_ = n;
      part_ = part;
      next_.store(0, std::memory_order_relaxed);
      open_ = true;
      jobs_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    in_parallel = true;
    TakeParts();
    in_parallel = false;
    {
      const std::lock_guard lock(mutex_);
      open_ = false;
    }
    for (int spin = 0; spin < kSpins && busy_.load(std::memory_order_acquire) > 0; ++spin) Pause();
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [this] { return busy_ == 0; });
  }

 private:
  static constexpr int kSpins = 2000;

  static void Pause() { __builtin_ia32_pause(); }

  void TakeParts() {
    for (int64_t begin; (begin = next_.fetch_add(part_, std::memory_order_relaxed)) < n_;) {
      (*body_)(begin, std::min(begin + part_, n_));
    }
  }

  void Work() {
    in_parallel = true;
    uint64_t seen = 0;
    for (;;) {
      // A short spin first: kernels follow one another closely.
      for (int spin = 0; spin < kSpins && jobs_.load(std::memory_order_acquire) == seen; ++spin)
        Pause();
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return stop_ || (open_ && jobs_ != seen); });
        if (stop_) return;
        seen = jobs_;
        ++busy_;
      }
      TakeParts();
      const std::lock_guard lock(mutex_);
      if (--busy_ == 0) finished_.notify_one();
    }
  }

  std::mutex run_mutex_, mutex_;
  std::condition_variable wake_, finished_;
  absl::FunctionRef<void(int64_t, int64_t)>* body_ = nullptr;
  int64_t n_ = 0, part_ = 1;
  std::atomic<int64_t> next_{0};
  std::atomic<uint64_t> jobs_{0};
  std::atomic<int> busy_{0};
  bool open_ = false, stop_ = false;
  std::vector<std::thread> workers_;
};

int DefaultThreads() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

std::mutex pool_mutex;

// Never destroyed: a worker may not outlive what it runs in, and statics die in no useful order.
// Shared with the jobs in it: another thread may replace it meanwhile.
std::shared_ptr<Pool>& TheSlot() {
  static auto* slot = [] {
    // A forked child has none of the workers, and nobody to release the mutex.
    pthread_atfork(nullptr, nullptr, [] {
      new (&pool_mutex) std::mutex;
      new (&TheSlot()) std::shared_ptr<Pool>;
    });
    return new std::shared_ptr<Pool>;
  }();
  return *slot;
}

std::shared_ptr<Pool> ThePool() {
  const std::lock_guard lock(pool_mutex);
  if (TheSlot() == nullptr) TheSlot() = std::make_shared<Pool>(DefaultThreads());
  return TheSlot();
}

}  // namespace

void SetNumThreads(int threads) {
  PALIMPSEST_CHECK(threads >= 1 && !in_parallel) << threads << " threads";
  const std::lock_guard lock(pool_mutex);
  if (TheSlot() == nullptr || TheSlot()->threads() != threads) {
    TheSlot().reset();
    TheSlot() = std::make_shared<Pool>(threads);
  }
}

int NumThreads() { return ThePool()->threads(); }

void ParallelFor(int64_t n, int64_t grain,
                 absl::FunctionRef<void(int64_t begin, int64_t end)> body) {
  if (n <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  if (in_parallel || n <= grain) return body(0, n);
  const std::shared_ptr<Pool> pool = ThePool();
  if (pool->threads() == 1) return body(0, n);
  // A few parts a thread even out their speeds.
  const int64_t parts = int64_t{4} * pool->threads();
  pool->Run(n, std::max(grain, (n + parts - 1) / parts), body);
}

}  // namespace palimpsest
