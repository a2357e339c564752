#include "train/device.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/allocator.h"
#include "kernels/gemm.h"
#include "train/proto_text.h"

namespace palimpsest {
namespace {

Device cuda_device = Device::kCuda;

}  // namespace

Device CudaDevice() { return cuda_device; }
void SetCudaDevice(Device device) { cuda_device = device; }

absl::StatusOr<Device> DeviceNamed(const std::string& name) {
  const std::string lower = absl::AsciiStrToLower(name);
  if (lower == "cpu") return Device::kCpu;
  if (lower != "cuda")
    return absl::InvalidArgumentError(
        absl::StrCat("device has no value ", NameAndKnown(name, {"cpu", "cuda"})));
  if (absl::Status s = Allocator::Check(CudaDevice()); !s.ok()) return s;
  return CudaDevice();
}

absl::StatusOr<Device> ConfigDevice(const TrainConfig& config) {
  return DeviceNamed(TrainConfig::DeviceKind_Name(config.device()));
}

std::vector<std::string> WithDevice(std::vector<std::string> overrides, const std::string& flag,
                                    bool tf32) {
  const std::string name = absl::AsciiStrToUpper(flag);
  if (!flag.empty()) overrides.push_back("device=" + name);
  if (tf32 || name == "CPU") overrides.push_back(absl::StrCat("tf32=", tf32 ? "true" : "false"));
  return overrides;
}

absl::StatusOr<Device> DeviceNamed(const std::string& name, bool tf32) {
  const absl::StatusOr<Device> device = DeviceNamed(name);
  if (!device.ok()) return device;
  if (tf32 && *device == Device::kCpu)
    return absl::InvalidArgumentError(
        "--tf32 is for --device=cuda; the CPU multiplies f32 as it is");
  AllowTf32(tf32);
  return device;
}

}  // namespace palimpsest
