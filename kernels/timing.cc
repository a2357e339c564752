#include "kernels/timing.h"

#include <chrono>

namespace palimpsest {

constinit Kernel<std::vector<double>(int, absl::FunctionRef<void()>)> seconds_of("seconds_of");

namespace {

std::vector<double> SecondsOfCpu(int times, absl::FunctionRef<void()> body) {
  std::vector<double> seconds;
  for (int i = 0; i < times; ++i) {
    const auto start = std::chrono::steady_clock::now();
    body();
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return seconds;
}

PALIMPSEST_REGISTER_KERNEL(seconds_of, kCpu, SecondsOfCpu);

}  // namespace
}  // namespace palimpsest
