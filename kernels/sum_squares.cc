#include "kernels/sum_squares.h"

#include "kernels/blocks.h"

namespace palimpsest {

constinit Kernel<double(const SumSquaresArgs&)> sum_squares("sum_squares");

namespace {

double SumSquaresCpu(const SumSquaresArgs& args) {
  return DispatchFloat(args.dtype, [&]<typename T>() {
    return SumOfBlocks<1>(args.size, [&](int64_t begin, int64_t count) {
      return SumBlock<T, 1>(count, [x = At<T>(args.x, begin)](auto& sums, int64_t i, auto... n) {
        const Number<T> value = Load(x + i, n...);
        sums[0].Add(value, value, n...);
      });
    })[0];
  });
}

PALIMPSEST_REGISTER_KERNEL(sum_squares, kCpu, SumSquaresCpu);

}  // namespace
}  // namespace palimpsest
