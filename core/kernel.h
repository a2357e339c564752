#ifndef CORE_KERNEL_H_
#define CORE_KERNEL_H_

#include <utility>

#include "core/check.h"
#include "core/device.h"

namespace palimpsest {

// A named slot with one implementation per device. kernels/NAME.h declares it with its args struct,
// NAME.cc and NAME.cu each fill an entry; ops call the slot and never name a backend.
template <typename Signature>
class Kernel;

template <typename R, typename... Args>
class Kernel<R(Args...)> {
 public:
  using Fn = R (*)(Args...);
  constexpr explicit Kernel(const char* name) : name_(name) {}

  bool Has(Device device) const { return fns_[static_cast<int>(device)] != nullptr; }
  bool Set(Device device, Fn fn) {
    PALIMPSEST_CHECK(!Has(device)) << "kernel " << name_ << " registered twice for " << device;
    fns_[static_cast<int>(device)] = fn;
    return true;
  }
  // Puts another in its place and returns the former, to watch the calls.
  Fn Exchange(Device device, Fn fn) { return std::exchange(fns_[static_cast<int>(device)], fn); }
  R operator()(Device device, Args... args) const {
    PALIMPSEST_CHECK(Has(device)) << "no kernel " << name_ << " for " << device;
    return fns_[static_cast<int>(device)](args...);
  }

 private:
  const char* name_;
  Fn fns_[kDeviceCount] = {};
};

#define PALIMPSEST_REGISTER_KERNEL(kernel, device, fn)                \
  [[maybe_unused]] static const bool registered_##kernel##_##device = \
      kernel.Set(::palimpsest::Device::device, fn)

}  // namespace palimpsest

#endif  // CORE_KERNEL_H_
