#ifndef KERNELS_CUDA_SIMULATOR_MEMORY_H_
#define KERNELS_CUDA_SIMULATOR_MEMORY_H_

#include <cstddef>

namespace palimpsest::simulator {

// What a simulated device has.
inline constexpr size_t kDeviceBytes = size_t{8} << 30;

// Device memory, 256-byte aligned; nullptr when there is no more. The host can touch it only while
// an OpenMemory lives, and dies of it otherwise, as it would of a GPU's.
void* AllocateMemory(size_t bytes);
void FreeMemory(void* data);
bool IsDeviceMemory(const void* data);

// Opens device memory to this process: a kernel or a copy runs. One at a time; closing it stops
// where a kernel wrote past the end of an allocation.
class OpenMemory {
 public:
  explicit OpenMemory(const char* what);
  ~OpenMemory();
  OpenMemory(const OpenMemory&) = delete;
  OpenMemory& operator=(const OpenMemory&) = delete;

 private:
  const char* what_;
};

}  // namespace palimpsest::simulator

#endif  // KERNELS_CUDA_SIMULATOR_MEMORY_H_
