#include "kernels/global_norm.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace palimpsest {

constinit Kernel<void(const GlobalNormArgs&)> global_norm("global_norm");

namespace {

constexpr double kClipEps = 1e-6;

void GlobalNormCpu(const GlobalNormArgs& args) {
  double sum = 0.0;
  for (int64_t i = 0; i < args.count; ++i) sum += args.squares[i];
  const double norm = std::sqrt(sum);
  const bool finite = std::isfinite(norm) && (args.loss == nullptr || std::isfinite(*args.loss)) &&
                      (args.failed == nullptr || *args.failed == 0.0);
  const double clipped =
      args.max_norm == 0.0 ? 1.0 : std::min(1.0, args.max_norm / (norm + kClipEps));
  *args.norm = norm;
  *args.scale = finite ? clipped : std::numeric_limits<double>::quiet_NaN();
  if (args.skipped != nullptr) *args.skipped_out = *args.skipped + (finite ? 0.0 : 1.0);
  if (args.failed != nullptr) *args.failed_out = *args.failed + (finite ? 0.0 : 1.0);
}

PALIMPSEST_REGISTER_KERNEL(global_norm, kCpu, GlobalNormCpu);

}  // namespace
}  // namespace palimpsest
