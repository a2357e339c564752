#include "kernels/channel_sum.h"

#include <algorithm>
#include <vector>

#include "core/parallel.h"
#include "kernels/vector.h"

namespace palimpsest {

constinit Kernel<void(const ChannelSumArgs&)> channel_sum("channel_sum");
constinit Kernel<void(const ChannelSumVjpArgs&)> channel_sum_vjp("channel_sum_vjp");

namespace {

constexpr int64_t kGrain = 16384;
// The gradient of the weight is summed in at most this many parts.
constexpr int64_t kMaxParts = 64;
constexpr int64_t kMinPartRows = 16;

template <typename T>
void SumRow(const ChannelSumArgs& args, const T* x, T* y) {
  const T* weight = static_cast<const T*>(args.weight);
  ForVectors<T>(args.width, [=, &args](int64_t i, auto... count) {
    Number<T> sum(0.0);
    for (int64_t at = i; at < args.channels * args.width; at += args.width)
      sum = MulAdd(Load(weight + at, count...), Load(x + at, count...), sum);
    Store(sum, y + i, count...);
  });
}

void ChannelSumCpu(const ChannelSumArgs& args) {
  const int64_t size = args.channels * args.width;
  DispatchFloat(args.dtype, [&]<typename T>() {
    const T* x = static_cast<const T*>(args.x);
    T* y = static_cast<T*>(args.y);
    ParallelFor(args.rows, kGrain / std::max<int64_t>(size, 1), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        SumRow<T>(args, x + row * size, y + row * args.width);
    });
  });
}

PALIMPSEST_REGISTER_KERNEL(channel_sum, kCpu, ChannelSumCpu);

// One row's dx; its share of the weight's gradient is added to `dweight`.
template <typename T>
void VjpRow(const ChannelSumArgs& args, const T* x, const T* dy, T* dx, Accumulator<T>* dweight) {
  const T* weight = static_cast<const T*>(args.weight);
  ForVectors<T>(args.width, [=, &args](int64_t i, auto... count) {
    const Number<T> d = Load(dy + i, count...);
    for (int64_t at = i; at < args.channels * args.width; at += args.width) {
      Store(Load(weight + at, count...) * d, dx + at, count...);
      Store(MulAdd(d, Load(x + at, count...), Load(dweight + at, count...)), dweight + at,
            count...);
    }
  });
}

template <typename T>
void Vjp(const ChannelSumVjpArgs& args) {
  using A = Accumulator<T>;
  const int64_t rows = args.forward.rows, width = args.forward.width,
                size = args.forward.channels * width;
  const T *x = static_cast<const T*>(args.forward.x), *dy = static_cast<const T*>(args.dy);
  T *dx = static_cast<T*>(args.dx), *dweight = static_cast<T*>(args.dweight);
  const int64_t part_rows = std::max(kMinPartRows, (rows + kMaxParts - 1) / kMaxParts);
  const int64_t parts = (rows + part_rows - 1) / part_rows;
  std::vector<A> sums(parts * size);
  ParallelFor(parts, kGrain / std::max<int64_t>(part_rows * size, 1),
              [&](int64_t begin, int64_t end) {
                for (int64_t row = begin * part_rows; row < std::min(end * part_rows, rows); ++row)
                  VjpRow<T>(args.forward, x + row * size, dy + row * width, dx + row * size,
                            sums.data() + row / part_rows * size);
              });
  for (int64_t i = 0; i < size; ++i) {
    A sum = 0;
    for (int64_t part = 0; part < parts; ++part) sum += sums[part * size + i];
    dweight[i] = static_cast<T>(sum);
  }
}

void ChannelSumVjpCpu(const ChannelSumVjpArgs& args) {
  DispatchFloat(args.forward.dtype, [&]<typename T>() { Vjp<T>(args); });
}

PALIMPSEST_REGISTER_KERNEL(channel_sum_vjp, kCpu, ChannelSumVjpCpu);

}  // namespace
}  // namespace palimpsest
