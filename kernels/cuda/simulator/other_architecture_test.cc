// A GPU that the program has no code for is found at start, and is none.
#include <cuda_runtime.h>

#include "core/allocator.h"
#include "gtest/gtest.h"

namespace palimpsest {
namespace {

TEST(OtherArchitecture, IsNoDeviceAndSaysHowToBuildForIt) {
  simulator::OtherArchitecture() = true;  // Asked once, with the first of these.
  EXPECT_FALSE(Allocator::Has(Device::kSimulatedCuda));
  EXPECT_EQ(
      Allocator::Check(Device::kSimulatedCuda).message(),
      "no CUDA device: the GPU, simulated, has compute capability 8.6; this program is compiled "
      "for 9.0 (no kernel image is available for execution on the device): build it with "
      "CUDA_ARCHS=86");
}

}  // namespace
}  // namespace palimpsest
