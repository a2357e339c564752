#ifndef CORE_DEVICE_H_
#define CORE_DEVICE_H_

#include <cstdint>
#include <ostream>

namespace palimpsest {

enum class Device : uint8_t { kCpu, kCuda };
inline constexpr int kDeviceCount = 2;

inline std::ostream& operator<<(std::ostream& os, Device device) {
  return os << (device == Device::kCpu ? "cpu" : "cuda");
}

}  // namespace palimpsest

#endif  // CORE_DEVICE_H_
