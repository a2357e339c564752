#ifndef KERNELS_CUDA_SIMULATOR_WATCH_H_
#define KERNELS_CUDA_SIMULATOR_WATCH_H_

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
extern "C" {
void __tsan_ignore_thread_begin();
void __tsan_ignore_thread_end();
}
#endif

// What ThreadSanitizer has to know of simulated threads, each a thread of its own to it, to find
// two that reach the same memory, one of them to write, and nothing makes one wait for the other.
// In builds without it, nothing.
namespace palimpsest::simulator {

#ifdef __SANITIZE_THREAD__
inline constexpr bool kWatched = true;

// Whatever came before HappensBefore(at) in some thread has happened where HappensAfter(at) returns
// in another.
inline void HappensBefore(void* at) { __tsan_release(at); }
inline void HappensAfter(void* at) { __tsan_acquire(at); }

// What the simulator itself does, as long as it lives.
class Unwatched {
 public:
  Unwatched() { __tsan_ignore_thread_begin(); }
  ~Unwatched() { __tsan_ignore_thread_end(); }
  Unwatched(const Unwatched&) = delete;
  Unwatched& operator=(const Unwatched&) = delete;
};

// A thread as ThreadSanitizer sees it.
class Watched {
 public:
  Watched() : self_(__tsan_create_fiber(0)) {}
  ~Watched() { __tsan_destroy_fiber(self_); }
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

  // Right before the stack is exchanged for the thread's, and for that of whoever had it go on.
  // Whoever calls them enters a function as one thread and leaves it as another, of which nobody
  // may be told.
  [[gnu::always_inline, gnu::no_sanitize_thread]] void Enter() {
    caller_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(self_, __tsan_switch_to_fiber_no_sync);
  }
  [[gnu::always_inline, gnu::no_sanitize_thread]] void Exit() {
    __tsan_switch_to_fiber(caller_, __tsan_switch_to_fiber_no_sync);
  }

 private:
  void* self_;
  void* caller_ = nullptr;
};
#else
inline constexpr bool kWatched = false;
inline void HappensBefore(void*) {}
inline void HappensAfter(void*) {}
class Unwatched {
 public:
  Unwatched() {}  // Not trivial: an unused one is no mistake.
};
class Watched {
 public:
  void Enter() {}
  void Exit() {}
};
#endif

}  // namespace palimpsest::simulator

#endif  // KERNELS_CUDA_SIMULATOR_WATCH_H_
