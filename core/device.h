#ifndef CORE_DEVICE_H_
#define CORE_DEVICE_H_

#include <cstdint>
#include <ostream>

namespace palimpsest {

// kSimulatedCuda is a GPU imitated on the host, for tests (kernels/cuda/simulator).
enum class Device : uint8_t { kCpu, kCuda, kSimulatedCuda };
inline constexpr int kDeviceCount = 3;

inline std::ostream& operator<<(std::ostream& os, Device device) {
  constexpr const char* kNames[kDeviceCount] = {"cpu", "cuda", "simulated_cuda"};
  return os << kNames[static_cast<int>(device)];
}

}  // namespace palimpsest

#endif  // CORE_DEVICE_H_
