#include "kernels/sum_squares.h"

#include "kernels/blocks.h"

namespace palimpsest {

constinit Kernel<void(absl::Span<const SumSquaresArgs>, double*)> sum_squares("sum_squares");

namespace {

template <typename T>
double SumAll(const SumSquaresArgs& args) {
  return SumOfBlocks<1>(args.size, [&](int64_t begin, int64_t count) {
    return SumBlock<T, 1>(count, [x = At<T>(args.x, begin)](auto& sums, int64_t i, auto... n) {
      const Number<T> value = Load(x + i, n...);
      sums[0].Add(value, value, n...);
    });
  })[0];
}

void SumSquaresCpu(absl::Span<const SumSquaresArgs> all, double* sums) {
  for (const SumSquaresArgs& args : all)
    *sums++ = DispatchFloat(args.dtype, [&]<typename T>() { return SumAll<T>(args); });
}

PALIMPSEST_REGISTER_KERNEL(sum_squares, kCpu, SumSquaresCpu);

}  // namespace
}  // namespace palimpsest
