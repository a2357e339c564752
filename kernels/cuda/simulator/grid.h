#ifndef KERNELS_CUDA_SIMULATOR_GRID_H_
#define KERNELS_CUDA_SIMULATOR_GRID_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "absl/functional/function_ref.h"

namespace palimpsest::simulator {

struct Index3 {
  unsigned x = 0, y = 0, z = 0;
};
struct Extent3 {
  unsigned x, y, z;
  // NOLINTNEXTLINE(google-explicit-constructor): CUDA's dim3 is made of a number, too.
  constexpr Extent3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

inline constexpr unsigned kWarp = 32;
inline constexpr size_t kMaxShared = 232448;  // Bytes a block may have on sm_90.

// Lets launches of a kernel ask for so much shared memory; without, for 48 KB.
void AllowShared(const void* kernel, size_t bytes);

// Whether a device of compute capability 9.0 would take this.
bool CanLaunch(const void* kernel, Extent3 blocks, Extent3 threads, size_t shared_bytes);

// Runs `thread` once for each CUDA thread of the grid: one block after another, a block's threads
// one after another up to their next barrier, both in an order that is shuffled anew each time, at
// times warp by warp as far as each can run, so that what depends on an order that the GPU does not
// promise gives other bits. Stops where the
// threads of a block or of a warp do not all reach the same barrier.
void RunGrid(const char* kernel, Extent3 blocks, Extent3 threads, size_t shared_bytes,
             absl::FunctionRef<void()> thread);

// Called within a kernel.
void WaitForBlock();
void WaitForWarp();
void* SharedBytes();  // Of this block, all bits set when it begins.

// Every lane's `value`, valid until the lane calls the next but one.
const void* ShareBytes(const void* value, size_t bytes);
inline constexpr size_t kMaxSharedValue = 64;
template <typename T>
const T* WarpExchange(const T& value) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= kMaxSharedValue);
  return static_cast<const T*>(ShareBytes(&value, sizeof(T)));
}
unsigned Lane();

}  // namespace palimpsest::simulator

// Of the CUDA thread that runs, under CUDA's own names.
extern thread_local constinit palimpsest::simulator::Index3 threadIdx, blockIdx;
extern thread_local constinit palimpsest::simulator::Extent3 blockDim, gridDim;

#endif  // KERNELS_CUDA_SIMULATOR_GRID_H_
