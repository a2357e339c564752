#ifndef KERNELS_TIMING_H_
#define KERNELS_TIMING_H_

#include <vector>

#include "absl/functional/function_ref.h"
#include "core/kernel.h"

namespace palimpsest {

// Seconds that the device takes for what `body` asks of it, each of `times` times: on a GPU between
// two events of the stream, which is waited for once all are asked for.
extern Kernel<std::vector<double>(int times, absl::FunctionRef<void()> body)> seconds_of;

}  // namespace palimpsest

#endif  // KERNELS_TIMING_H_
