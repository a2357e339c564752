#include "kernels/cross_entropy.h"

#include <algorithm>

#include "core/parallel.h"
#include "kernels/vector_math.h"

namespace palimpsest {

constinit Kernel<void(const CrossEntropyArgs&)> cross_entropy("cross_entropy");
constinit Kernel<void(const CrossEntropyGradArgs&)> cross_entropy_grad("cross_entropy_grad");

namespace {

constexpr int64_t kGrain = 16384;

template <typename Args>
int64_t CountLabels(const Args& args) {
  int64_t count = 0;
  for (int64_t r = 0; r < args.rows; ++r) {
    if (args.labels[r] == args.ignored) continue;
    PALIMPSEST_CHECK(args.labels[r] >= 0 && args.labels[r] < args.classes)
        << "label " << args.labels[r] << " of row " << r << " is not one of " << args.classes
        << " classes";
    ++count;
  }
  return count;
}

template <typename T>
Accumulator<T> LogSumExp(const T* x, int64_t n) {
  using N = Number<T>;
  const Accumulator<T> max =
      MaxVectors<T>(n, [=](int64_t i, auto... count) { return Load(x + i, count...); });
  const Accumulator<T> sum = SumVectors<T>(n, [=, shift = N(max)](int64_t i, auto... count) {
    return Exp(Load(x + i, count...) - shift);
  });
  return max + std::log(sum);
}

template <typename T>
void CrossEntropy(const CrossEntropyArgs& args) {
  using A = Accumulator<T>;
  const T* logits = static_cast<const T*>(args.logits);
  A* log_sum = static_cast<A*>(args.log_sum);
  const int64_t count = CountLabels(args);
  ParallelFor(args.rows, kGrain / std::max<int64_t>(args.classes, 1),
              [&](int64_t begin, int64_t end) {
                for (int64_t r = begin; r < end; ++r) {
                  log_sum[r] = args.labels[r] == args.ignored
                                   ? A()
                                   : LogSumExp(logits + r * args.classes, args.classes);
                }
              });
  double sum = 0.0;
  for (int64_t r = 0; r < args.rows; ++r) {
    if (args.labels[r] == args.ignored) continue;
    sum += static_cast<double>(log_sum[r]) -
           static_cast<double>(logits[r * args.classes + args.labels[r]]);
  }
  *static_cast<A*>(args.loss) = static_cast<A>(count == 0 ? 0.0 : sum / static_cast<double>(count));
}

void CrossEntropyCpu(const CrossEntropyArgs& args) {
  DispatchFloat(args.dtype, [&]<typename T>() { CrossEntropy<T>(args); });
}

PALIMPSEST_REGISTER_KERNEL(cross_entropy, kCpu, CrossEntropyCpu);

template <typename T>
void CrossEntropyGrad(const CrossEntropyGradArgs& args) {
  using A = Accumulator<T>;
  using N = Number<T>;
  const A* log_sum = static_cast<const A*>(args.log_sum);
  const A scale =
      *static_cast<const A*>(args.dloss) / static_cast<A>(std::max<int64_t>(CountLabels(args), 1));
  ParallelFor(
      args.rows, kGrain / std::max<int64_t>(args.classes, 1), [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
          const T* x = static_cast<const T*>(args.logits) + r * args.classes;
          T* dx = static_cast<T*>(args.dlogits) + r * args.classes;
          const int64_t label = args.labels[r];
          if (label == args.ignored) {
            std::fill_n(dx, args.classes, T());
            continue;
          }
          Map(x, dx, args.classes,
              [=, base = N(log_sum[r]), factor = N(scale)](N v) { return Exp(v - base) * factor; });
          dx[label] =
              static_cast<T>((std::exp(static_cast<A>(x[label]) - log_sum[r]) - A(1)) * scale);
        }
      });
}

void CrossEntropyGradCpu(const CrossEntropyGradArgs& args) {
  DispatchFloat(args.dtype, [&]<typename T>() { CrossEntropyGrad<T>(args); });
}

PALIMPSEST_REGISTER_KERNEL(cross_entropy_grad, kCpu, CrossEntropyGradCpu);

}  // namespace
}  // namespace palimpsest
