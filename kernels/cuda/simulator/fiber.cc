#include "kernels/cuda/simulator/fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <utility>

#include "core/check.h"

namespace palimpsest::simulator {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kStack = size_t{128} << 10;

}  // namespace

extern "C" {

// Exchanges the stack pointer with *other, keeping what a function must keep.
void PalimpsestSwitchFiber(void** other);
asm(R"(
.text
.globl PalimpsestSwitchFiber
.type PalimpsestSwitchFiber, @function
PalimpsestSwitchFiber:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq (%rdi), %rax
  movq %rsp, (%rdi)
  movq %rax, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size PalimpsestSwitchFiber, .-PalimpsestSwitchFiber
)");

// Where a fiber begins: its first stack has the fiber in r12 and the function to call in r13.
void PalimpsestBeginFiber();
asm(R"(
.text
.globl PalimpsestBeginFiber
.type PalimpsestBeginFiber, @function
PalimpsestBeginFiber:
  movq %r12, %rdi
  callq *%r13
  ud2
.size PalimpsestBeginFiber, .-PalimpsestBeginFiber
)");

}  // extern "C"

Fiber::Fiber(std::function<void()> body) : body_(std::move(body)) {
  void* memory = mmap(nullptr, kPage + kStack, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  PALIMPSEST_CHECK(memory != MAP_FAILED) << "no memory for a simulated thread";
  PALIMPSEST_CHECK(mprotect(memory, kPage, PROT_NONE) == 0);
  memory_ = static_cast<char*>(memory);
  // What PalimpsestSwitchFiber pops: r15, r14, r13, r12, rbx, rbp, and where it returns to. What is
  // then the top of the stack is divided by 16, as before any call.
  auto* top = reinterpret_cast<uint64_t*>(memory_ + kPage + kStack) - 9;
  top[2] = reinterpret_cast<uint64_t>(&Fiber::Run);
  top[3] = reinterpret_cast<uint64_t>(this);
  top[6] = reinterpret_cast<uint64_t>(&PalimpsestBeginFiber);
  stack_pointer_ = top;
}

Fiber::~Fiber() { munmap(memory_, kPage + kStack); }

void Fiber::Start() {
  PALIMPSEST_CHECK(done_) << "a fiber that has not returned was started again";
  done_ = false;
}

[[gnu::no_sanitize_thread]] bool Fiber::Resume() {
  watched_.Enter();
  PalimpsestSwitchFiber(&stack_pointer_);
  return done_;
}

[[gnu::no_sanitize_thread]] void Fiber::Pause() {
  watched_.Exit();
  PalimpsestSwitchFiber(&stack_pointer_);
}

[[gnu::no_sanitize_thread]] void Fiber::Run(Fiber* fiber) {
  for (;;) {
    fiber->body_();
    fiber->done_ = true;
    fiber->Pause();
  }
}

}  // namespace palimpsest::simulator
