#ifndef KERNELS_SCAN_H_
#define KERNELS_SCAN_H_

#include <cstdint>

#include "core/dtype.h"
#include "core/kernel.h"

namespace palimpsest {

enum class ScanOp : uint8_t { kSum, kLogSumExp };

// y[o,t,i] = op_{s <= t} x[o,s,i], or op_{s >= t} if `reverse`, for x and y [outer, n, inner]. In
// f64.
struct ScanArgs {
  ScanOp op;
  DType dtype;
  bool reverse;
  int64_t outer, n, inner;
  const void* x;
  void* y;
};
extern Kernel<void(const ScanArgs&)> scan;

// The gradient of a scan y by kLogSumExp: dx_s = exp(x_s - y_s) r_s with r_s = sum_{t >= s} exp(y_s
// - y_t) dy_t (t <= s if `reverse`), in which no exponent is positive.
struct LogScanGradArgs {
  DType dtype;
  bool reverse;
  int64_t outer, n, inner;
  const void *x, *y, *dy;
  void* dx;
};
extern Kernel<void(const LogScanGradArgs&)> log_scan_grad;

}  // namespace palimpsest

#endif  // KERNELS_SCAN_H_
