#include "kernels/delta_residual.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/parallel.h"
#include "kernels/vector.h"

namespace palimpsest {

constinit Kernel<void(const DeltaResidualArgs&)> delta_residual("delta_residual");
constinit Kernel<void(const DeltaResidualVjpArgs&)> delta_residual_vjp("delta_residual_vjp");

namespace {

constexpr int64_t kGrain = 16384;

int64_t RowGrain(const DeltaResidualArgs& args) {
  return kGrain / std::max<int64_t>(args.channels * args.width, 1);
}

template <typename T>
Accumulator<T> Dot(const T* a, const T* b, int64_t n) {
  return SumVectors<T>(
      n, [=](int64_t i, auto... count) { return Load(a + i, count...) * Load(b + i, count...); });
}

template <typename T>
struct Row {
  const T *stream, *direction;
  const Accumulator<T>* v;
  Accumulator<T> beta, r;

  Row(const DeltaResidualArgs& args, int64_t row)
      : stream(static_cast<const T*>(args.stream) + row * args.channels * args.width),
        direction(static_cast<const T*>(args.direction) + row * args.width),
        v(static_cast<const Accumulator<T>*>(args.v) + row * args.channels),
        beta(static_cast<const Accumulator<T>*>(args.beta)[row]),
        r(static_cast<Accumulator<T>>(
            1.0 / std::sqrt(Dot(direction, direction, args.width) + args.eps * args.eps))) {}
};

template <typename T>
void WriteRow(const DeltaResidualArgs& args, int64_t row) {
  const Row<T> in(args, row);
  T* y = static_cast<T*>(args.y) + row * args.channels * args.width;
  for (int64_t j = 0; j < args.channels; ++j) {
    const T* x = in.stream + j * args.width;
    const Accumulator<T> found = args.erase ? in.r * Dot(in.direction, x, args.width) : 0;
    const Number<T> scale(in.beta * (in.v[j] - found) * in.r);
    Map(x, in.direction, y + j * args.width, args.width,
        [=](auto x, auto direction) { return MulAdd(direction, scale, x); });
  }
}

void DeltaResidualCpu(const DeltaResidualArgs& args) {
  DispatchFloat(args.dtype, [&]<typename T>() {
    ParallelFor(args.rows, RowGrain(args), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) WriteRow<T>(args, row);
    });
  });
}

PALIMPSEST_REGISTER_KERNEL(delta_residual, kCpu, DeltaResidualCpu);

// What a channel's parts of the gradients are multiplied by.
template <typename T>
struct Channel {
  Number<T> dy, stream;  // In ddirection.
  Number<T> erased;      // The direction, in dstream.
};

template <typename T>
void VjpRow(const DeltaResidualVjpArgs& args, int64_t row, std::vector<Channel<T>>& channels) {
  using A = Accumulator<T>;
  const DeltaResidualArgs& f = args.forward;
  const Row<T> in(f, row);
  const T* dy = static_cast<const T*>(args.dy) + row * f.channels * f.width;
  A dbeta = 0, projection = 0;  // The latter: (k . dk) / beta.
  for (int64_t j = 0; j < f.channels; ++j) {
    const A a = in.r * Dot(in.direction, dy + j * f.width, f.width);
    const A found = f.erase ? in.r * Dot(in.direction, in.stream + j * f.width, f.width) : 0;
    const A error = in.v[j] - found;
    dbeta += a * error;
    projection += a * (error - found);
    static_cast<A*>(args.dv)[row * f.channels + j] = in.beta * a;
    const A erased = f.erase ? in.beta * a * in.r : 0;
    channels[j] = {Number<T>(in.beta * error * in.r), Number<T>(-erased), Number<T>(-erased)};
  }
  static_cast<A*>(args.dbeta)[row] = dbeta;

  const Number<T> along(-in.beta * projection * in.r * in.r);
  T* dstream = static_cast<T*>(args.dstream) + row * f.channels * f.width;
  T* ddirection = static_cast<T*>(args.ddirection) + row * f.width;
  ForVectors<T>(f.width, [&](int64_t i, auto... count) {
    const Number<T> direction = Load(in.direction + i, count...);
    Number<T> sum = direction * along;
    for (int64_t j = 0; j < f.channels; ++j) {
      const int64_t at = j * f.width + i;
      const Number<T> y = Load(dy + at, count...), x = Load(in.stream + at, count...);
      sum = MulAdd(y, channels[j].dy, MulAdd(x, channels[j].stream, sum));
      Store(MulAdd(direction, channels[j].erased, y), dstream + at, count...);
    }
    Store(sum, ddirection + i, count...);
  });
}

void DeltaResidualVjpCpu(const DeltaResidualVjpArgs& args) {
  DispatchFloat(args.forward.dtype, [&]<typename T>() {
    ParallelFor(args.forward.rows, RowGrain(args.forward), [&](int64_t begin, int64_t end) {
      std::vector<Channel<T>> channels(args.forward.channels);
      for (int64_t row = begin; row < end; ++row) VjpRow<T>(args, row, channels);
    });
  });
}

PALIMPSEST_REGISTER_KERNEL(delta_residual_vjp, kCpu, DeltaResidualVjpCpu);

}  // namespace
}  // namespace palimpsest
