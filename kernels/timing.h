#ifndef KERNELS_TIMING_H_
#define KERNELS_TIMING_H_

#include "absl/functional/function_ref.h"
#include "core/kernel.h"

namespace palimpsest {

// Seconds from when the device begins what `body` asks of it to when it is done: on a GPU between
// two events of the stream.
extern Kernel<double(absl::FunctionRef<void()> body)> seconds_of;

}  // namespace palimpsest

#endif  // KERNELS_TIMING_H_
