#include "kernels/scan.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/parallel.h"

namespace palimpsest {

constinit Kernel<void(const ScanArgs&)> scan("scan");
constinit Kernel<void(const LogScanGradArgs&)> log_scan_grad("log_scan_grad");

namespace {

constexpr int64_t kColumns = 64;
constexpr int64_t kGrain = 32768;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Calls body(offset, columns) for strips of columns: the strip's element of step t is at offset + t
// inner.
template <typename Args, typename F>
void ForEachStrip(const Args& args, F body) {
  const int64_t strips = (args.inner + kColumns - 1) / kColumns;
  const int64_t unit_size = std::max<int64_t>(args.n * std::min(args.inner, kColumns), 1);
  ParallelFor(args.outer * strips, kGrain / unit_size, [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t column = unit % strips * kColumns;
      body(unit / strips * args.n * args.inner + column, std::min(kColumns, args.inner - column));
    }
  });
}

double LogAddExp(double a, double b) {
  // Equal infinities have no difference.
  return a == b ? a + 0.693147180559945309417
                : std::max(a, b) + std::log1p(std::exp(-std::abs(a - b)));
}

template <typename T, typename F>
void Scan(const ScanArgs& args, double identity, F combine) {
  const T* x = static_cast<const T*>(args.x);
  T* y = static_cast<T*>(args.y);
  ForEachStrip(args, [&](int64_t offset, int64_t columns) {
    double sum[kColumns];
    std::fill_n(sum, columns, identity);
    for (int64_t step = 0; step < args.n; ++step) {
      const int64_t at = offset + (args.reverse ? args.n - 1 - step : step) * args.inner;
      for (int64_t i = 0; i < columns; ++i) {
        sum[i] = combine(sum[i], static_cast<double>(x[at + i]));
        y[at + i] = static_cast<T>(sum[i]);
      }
    }
  });
}

void ScanCpu(const ScanArgs& args) {
  DispatchFloat(args.dtype, [&]<typename T>() {
    if (args.op == ScanOp::kSum) {
      Scan<T>(args, 0.0, [](double a, double b) { return a + b; });
    } else {
      Scan<T>(args, -kInfinity, LogAddExp);
    }
  });
}

PALIMPSEST_REGISTER_KERNEL(scan, kCpu, ScanCpu);

// exp(a - b) for a <= b; 1 where both are the same infinity.
double ExpOfDifference(double a, double b) { return a == b ? 1.0 : std::exp(a - b); }

template <typename T>
void LogScanGrad(const LogScanGradArgs& args) {
  const T *x = static_cast<const T*>(args.x), *y = static_cast<const T*>(args.y);
  const T* dy = static_cast<const T*>(args.dy);
  T* dx = static_cast<T*>(args.dx);
  ForEachStrip(args, [&](int64_t offset, int64_t columns) {
    double rest[kColumns] = {}, later[kColumns];
    std::fill_n(later, columns, kInfinity);
    for (int64_t step = 0; step < args.n; ++step) {
      const int64_t at = offset + (args.reverse ? step : args.n - 1 - step) * args.inner;
      for (int64_t i = at, j = 0; j < columns; ++i, ++j) {
        const double now = static_cast<double>(y[i]);
        rest[j] = static_cast<double>(dy[i]) + ExpOfDifference(now, later[j]) * rest[j];
        later[j] = now;
        dx[i] = static_cast<T>(
            now == -kInfinity ? 0.0 : std::exp(static_cast<double>(x[i]) - now) * rest[j]);
      }
    }
  });
}

void LogScanGradCpu(const LogScanGradArgs& args) {
  DispatchFloat(args.dtype, [&]<typename T>() { LogScanGrad<T>(args); });
}

PALIMPSEST_REGISTER_KERNEL(log_scan_grad, kCpu, LogScanGradCpu);

}  // namespace
}  // namespace palimpsest
