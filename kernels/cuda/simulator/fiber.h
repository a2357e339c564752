#ifndef KERNELS_CUDA_SIMULATOR_FIBER_H_
#define KERNELS_CUDA_SIMULATOR_FIBER_H_

#include <functional>

#include "kernels/cuda/simulator/watch.h"

namespace palimpsest::simulator {

// A function that can stop half way and be gone on with: a CUDA thread between two barriers.
// x86-64.
class Fiber {
 public:
  // The body must not throw.
  explicit Fiber(std::function<void()> body);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // The body is to run again; it must have returned.
  void Start();
  // Goes on until the body pauses or returns; whether it has returned.
  bool Resume();
  // Called within the body: back to Resume.
  void Pause();

 private:
  static void Run(Fiber* fiber);

  char* memory_;  // The stack, above a page that nothing may touch.
  std::function<void()> body_;
  bool done_ = true;
  Watched watched_;
  void* stack_pointer_ = nullptr;  // Of whoever is not running: the fiber or its caller.
};

}  // namespace palimpsest::simulator

#endif  // KERNELS_CUDA_SIMULATOR_FIBER_H_
