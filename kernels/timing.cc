#include "kernels/timing.h"

#include <chrono>

namespace palimpsest {

constinit Kernel<double(absl::FunctionRef<void()>)> seconds_of("seconds_of");

namespace {

double SecondsOfCpu(absl::FunctionRef<void()> body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

PALIMPSEST_REGISTER_KERNEL(seconds_of, kCpu, SecondsOfCpu);

}  // namespace
}  // namespace palimpsest
