#include "kernels/sum_squares.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "core/parallel.h"

namespace palimpsest {

constinit Kernel<double(const SumSquaresArgs&)> sum_squares("sum_squares");

namespace {

constexpr int64_t kBlock = 16384;

template <typename T>
double SumBlock(const T* x, int64_t size) {
  constexpr int kLanes = 16;
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const double value = static_cast<double>(x[i + lane]);
      lanes[lane] += value * value;
    }
  }
  for (; i < size; ++i) lanes[i % kLanes] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return std::accumulate(lanes, lanes + kLanes, 0.0);
}

double SumSquaresCpu(const SumSquaresArgs& args) {
  return DispatchFloat(args.dtype, [&]<typename T>() {
    const T* x = static_cast<const T*>(args.x);
    const int64_t blocks = (args.size + kBlock - 1) / kBlock;
    std::vector<double> sums(blocks);
    ParallelFor(blocks, 2, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        sums[b] = SumBlock(x + b * kBlock, std::min(kBlock, args.size - b * kBlock));
      }
    });
    return std::accumulate(sums.begin(), sums.end(), 0.0);
  });
}

PALIMPSEST_REGISTER_KERNEL(sum_squares, kCpu, SumSquaresCpu);

}  // namespace
}  // namespace palimpsest
