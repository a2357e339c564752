#ifndef TRAIN_DEVICE_H_
#define TRAIN_DEVICE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/device.h"
#include "train/config.pb.h"

namespace palimpsest {

// What CUDA stands for in configs and on command lines; tests put the simulated GPU there.
Device CudaDevice();
void SetCudaDevice(Device device);

// "cpu" or "cuda", in upper case or lower; InvalidArgument for another name, FailedPrecondition,
// with the reason, where this program or machine has no such device.
absl::StatusOr<Device> DeviceNamed(const std::string& name);
absl::StatusOr<Device> ConfigDevice(const TrainConfig& config);

// Of the flags --device and --tf32, what overrides a config's device; nothing for an empty and a
// false one, but that on the CPU a config's tf32 is out of place.
std::vector<std::string> WithDevice(std::vector<std::string> overrides, const std::string& flag,
                                    bool tf32 = false);

// DeviceNamed, with what --tf32 says of its products (kernels/gemm.h). InvalidArgument for TF32 on
// the CPU.
absl::StatusOr<Device> DeviceNamed(const std::string& name, bool tf32);

}  // namespace palimpsest

#endif  // TRAIN_DEVICE_H_
