#include "kernels/newton_schulz.h"

#include <algorithm>

#include "core/check.h"
#include "core/parallel.h"
#include "kernels/newton_schulz_steps.h"

namespace palimpsest {

constinit Kernel<void(const NewtonSchulzArgs&)> newton_schulz("newton_schulz");

namespace {

constexpr int64_t kGrain = 1 << 15;

// to[i] = f(i).
template <typename T, typename F>
void Fill(T* to, int64_t n, F f) {
  ParallelFor(n, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) to[i] = static_cast<T>(f(i));
  });
}

struct CpuPasses {
  static constexpr Device kDevice = Device::kCpu;

  template <typename T>
  static void Scale(const T* x, double c, int64_t n, T* to) {
    Fill(to, n, [x, c = static_cast<T>(c)](int64_t i) { return c * x[i]; });
  }
  template <typename T>
  static void AddToDiagonal(T* m, double value, int64_t side, int64_t count) {
    for (int64_t row = 0; row < count * side; ++row)
      m[row * side + row % side] += static_cast<T>(value);
  }
  static void Round(const float* x, int64_t n, Bf16* to) {
    Fill(to, n, [=](int64_t i) { return x[i]; });
  }
  static void Combine(const float* x, double a, const float* y, double b, int64_t n, Bf16* to) {
    const auto of_x = static_cast<float>(a), of_y = static_cast<float>(b);
    Fill(to, n, [=](int64_t i) { return of_x * x[i] + of_y * y[i]; });
  }
};

template <typename Steps, typename T>
void Run(const NewtonSchulzArgs& g) {
  constexpr int64_t kManyMatrices = 16;  // A thread keeps one of them in its caches to the end.
  const int64_t size = g.rows * g.cols;
  const T* x = static_cast<const T*>(g.x);
  T* y = static_cast<T*>(g.y);
  if (g.steps.empty()) std::copy_n(x, g.batch * size, y);
  if (g.batch < kManyMatrices) return Steps(g, g.batch).Run(x, y);
  ParallelFor(g.batch, std::max<int64_t>(1, kGrain / size), [&](int64_t begin, int64_t end) {
    Steps steps(g, 1);
    for (int64_t i = begin; i < end; ++i) steps.Run(x + i * size, y + i * size);
  });
}

void NewtonSchulzCpu(const NewtonSchulzArgs& g) {
  if (g.batch * g.rows * g.cols == 0) return;
  switch (g.dtype) {
    case DType::kF64: return Run<NewtonSchulzChains<CpuPasses, double>, double>(g);
    case DType::kF32: return Run<NewtonSchulzChains<CpuPasses, float>, float>(g);
    case DType::kBf16: return Run<RoundedNewtonSchulz<CpuPasses>, float>(g);
    default: PALIMPSEST_CHECK(false) << "newton_schulz of " << g.dtype;
  }
}

PALIMPSEST_REGISTER_KERNEL(newton_schulz, kCpu, NewtonSchulzCpu);

}  // namespace
}  // namespace palimpsest
