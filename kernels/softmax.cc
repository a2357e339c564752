#include "kernels/softmax.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "core/parallel.h"
#include "kernels/vector_math.h"

namespace palimpsest {

constinit Kernel<void(const SoftmaxArgs&)> softmax("softmax");
constinit Kernel<void(const SoftmaxGradArgs&)> softmax_grad("softmax_grad");

namespace {

constexpr int64_t kGrain = 16384;

template <typename Args, typename F>
void ForRows(const Args& args, F body) {
  ParallelFor(args.rows, kGrain / std::max<int64_t>(args.n, 1), body);
}

// `e` holds exp(x - max) meanwhile: y itself, unless that rounds.
template <typename T>
void SoftmaxRow(const T* x, T* y, Accumulator<T>* e, int64_t n) {
  using N = Number<T>;
  const N max(MaxVectors<T>(n, [=](int64_t i, auto... count) { return Load(x + i, count...); }));
  const N sum(SumVectors<T>(n, [=](int64_t i, auto... count) {
    const N power = Exp(Load(x + i, count...) - max);
    Store(power, e + i, count...);
    return power;
  }));
  const N scale = N(1.0) / sum;
  ForVectors<T>(
      n, [=](int64_t i, auto... count) { Store(Load(e + i, count...) * scale, y + i, count...); });
}

template <typename T>
void LogSoftmaxRow(const T* x, T* y, int64_t n) {
  using N = Number<T>;
  const N max(MaxVectors<T>(n, [=](int64_t i, auto... count) { return Load(x + i, count...); }));
  const N sum(
      SumVectors<T>(n, [=](int64_t i, auto... count) { return Exp(Load(x + i, count...) - max); }));
  // The maximum first: together with it the logarithm might lose its digits.
  const N log = Log(sum);
  ForVectors<T>(n, [=](int64_t i, auto... count) {
    Store(Load(x + i, count...) - max - log, y + i, count...);
  });
}

void SoftmaxCpu(const SoftmaxArgs& args) {
  DispatchFloat(args.dtype, [&]<typename T>() {
    using A = Accumulator<T>;
    const T* x = static_cast<const T*>(args.x);
    T* y = static_cast<T*>(args.y);
    const int64_t n = args.n;
    ForRows(args, [&](int64_t begin, int64_t end) {
      std::vector<A> scratch(std::is_same_v<A, T> ? 0 : n);
      for (int64_t row = begin; row < end; ++row) {
        if (args.log) {
          LogSoftmaxRow(x + row * n, y + row * n, n);
        } else if constexpr (std::is_same_v<A, T>) {
          SoftmaxRow(x + row * n, y + row * n, y + row * n, n);
        } else {
          SoftmaxRow(x + row * n, y + row * n, scratch.data(), n);
        }
      }
    });
  });
}

PALIMPSEST_REGISTER_KERNEL(softmax, kCpu, SoftmaxCpu);

template <typename T>
void SoftmaxGradRow(bool log, const T* y, const T* dy, T* dx, int64_t n) {
  using N = Number<T>;
  const N sum(SumVectors<T>(n, [=](int64_t i, auto... count) {
    const N v = Load(dy + i, count...);
    return log ? v : v * Load(y + i, count...);
  }));
  if (log) {
    ForVectors<T>(n, [=](int64_t i, auto... count) {
      Store(Load(dy + i, count...) - Exp(Load(y + i, count...)) * sum, dx + i, count...);
    });
  } else {
    ForVectors<T>(n, [=](int64_t i, auto... count) {
      Store(Load(y + i, count...) * (Load(dy + i, count...) - sum), dx + i, count...);
    });
  }
}

void SoftmaxGradCpu(const SoftmaxGradArgs& args) {
  DispatchFloat(args.dtype, [&]<typename T>() {
    const T *y = static_cast<const T*>(args.y), *dy = static_cast<const T*>(args.dy);
    T* dx = static_cast<T*>(args.dx);
    ForRows(args, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        SoftmaxGradRow(args.log, y + row * args.n, dy + row * args.n, dx + row * args.n, args.n);
      }
    });
  });
}

PALIMPSEST_REGISTER_KERNEL(softmax_grad, kCpu, SoftmaxGradCpu);

}  // namespace
}  // namespace palimpsest
