#ifndef KERNELS_CUDA_SIMULATOR_FIBER_H_
#define KERNELS_CUDA_SIMULATOR_FIBER_H_

#include "absl/functional/function_ref.h"

namespace palimpsest::simulator {

// A function that can stop half way and be gone on with: a CUDA thread between two barriers.
// x86-64.
class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // What to run next; the last must have returned. It must outlive its run and must not throw.
  void Start(const absl::FunctionRef<void()>* body);
  // Goes on until the body pauses or returns; whether it has returned.
  bool Resume();
  // Called within the body: back to Resume.
  void Pause();

 private:
  static void Enter(Fiber* fiber);

  char* memory_;  // The stack, above a page that nothing may touch.
  const absl::FunctionRef<void()>* body_ = nullptr;
  bool done_ = true;
  void* stack_pointer_ = nullptr;  // Of whoever is not running: the fiber or its caller.
};

}  // namespace palimpsest::simulator

#endif  // KERNELS_CUDA_SIMULATOR_FIBER_H_
