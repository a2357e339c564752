#include "kernels/newton_schulz.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/check.h"
#include "core/parallel.h"
#include "core/tensor.h"
#include "kernels/gemm.h"

namespace palimpsest {

constinit Kernel<void(const NewtonSchulzArgs&)> newton_schulz("newton_schulz");

namespace {

constexpr int64_t kGrain = 1 << 15;

// The matrix products for X [rows, cols] and square matrices of its shorter side, `batch` of each.
struct Products {
  int64_t batch, rows, cols;
  DType in, out;
  int64_t side = std::min(rows, cols);
  bool tall = rows > cols;

  // c = a b, all symmetric.
  void Symmetric(const void* a, const void* b, void* c) const {
    GemmArgs args = Args(side, side, side, c);
    args.a = Square(a), args.b = Square(b);
    args.trans_a = args.symmetric = true;  // The factors are their own transposes; so is c.
    gemm(Device::kCpu, args);
  }
  // c = x x^T, or x^T x if it is smaller.
  void Gram(const void* x, void* c) const {
    GemmArgs args = Args(side, side, std::max(rows, cols), c);
    args.a = args.b = Long(x);
    args.trans_a = tall, args.trans_b = !tall;
    args.symmetric = true;
    gemm(Device::kCpu, args);
  }
  // y = p x, or x p; += with `accumulate`.
  void Apply(const void* p, const void* x, void* y, bool accumulate) const {
    GemmArgs args = Args(rows, cols, side, y);
    args.a = tall ? Long(x) : Square(p);
    args.b = tall ? Square(p) : Long(x);
    args.trans_a = !tall;  // Of p, which is symmetric, a transpose is read faster.
    args.accumulate = accumulate;
    gemm(Device::kCpu, args);
  }

 private:
  GemmMatrix<const void*> Long(const void* x) const { return {x, cols, {0, rows * cols}}; }
  GemmMatrix<const void*> Square(const void* x) const { return {x, side, {0, side * side}}; }
  GemmArgs Args(int64_t m, int64_t n, int64_t k, void* c) const {
    GemmArgs args{.m = m, .n = n, .k = k};
    args.batch[1] = batch;
    args.c = {c, n, {0, m * n}};
    args.dtype = in, args.out = out;
    return args;
  }
};

// to[i] = f(i).
template <typename T, typename F>
void Fill(Tensor& to, F f) {
  T* at = to.mutable_data<T>();
  ParallelFor(to.size(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) at[i] = static_cast<T>(f(i));
  });
}

// Of each X let G be the Gram matrix of its shorter side. A step multiplies X by the polynomial
// P = a I + b G + c G^2, and G becomes P G P. So several steps are a product Q of polynomials of
// one G, all of them symmetric and commuting, and only then a product with X: a chain. X is long
// beside G, or a chain is one step.
template <typename T>
class Chains {
 public:
  Chains(const NewtonSchulzArgs& g, int64_t batch)
      : g_(g), products_{batch, g.rows, g.cols, kDTypeOf<T>, kDTypeOf<T>} {
    const int64_t side = products_.side;
    for (Tensor* t : {&gram_, &p_, &q_, &work_})
      *t = Tensor::Empty({batch, side, side}, kDTypeOf<T>);
    if (NumChains() > 1) spare_ = Tensor::Empty({batch, g.rows, g.cols}, kDTypeOf<T>);
  }

  void Run(const T* x, T* y) {
    // In turn to y and elsewhere, so that the last ends in y.
    int64_t left = NumChains();
    for (size_t begin = 0; begin < g_.steps.size(); begin = EndOfChain(begin)) {
      T* const to = left-- % 2 == 1 ? y : spare_.template mutable_data<T>();
      MultiplyOut(begin, EndOfChain(begin), x);
      products_.Apply(q_.raw(), x, to, /*accumulate=*/false);
      x = to;
    }
  }

 private:
  // Rounding leaves errors of some eps in G, and negative eigenvalues of that size where X has
  // none; a chain's last polynomial is of G as the steps before it left them, times the square of
  // their gain.
  size_t EndOfChain(size_t begin) const {
    constexpr double kMostError = 0x1p-13;
    const double eps = std::numeric_limits<T>::epsilon();
    if (2 * std::max(g_.rows, g_.cols) < 3 * products_.side) return begin + 1;
    double gain = g_.steps[begin].a;
    size_t end = begin + 1;
    while (end < g_.steps.size() && eps * gain * gain <= kMostError) gain *= g_.steps[end++].a;
    return end;
  }
  int64_t NumChains() const {
    int64_t count = 0;
    for (size_t begin = 0; begin < g_.steps.size(); begin = EndOfChain(begin)) ++count;
    return count;
  }

  // q_ = the product of the polynomials of the steps [begin, end) on x.
  void MultiplyOut(size_t begin, size_t end, const T* x) {
    products_.Gram(x, gram_.mutable_raw());
    for (size_t i = begin; i < end; ++i) {
      const auto [a, b, c] = g_.steps[i];
      const T* gram = gram_.template data<T>();
      Fill<T>(work_, [gram, c = static_cast<T>(c)](int64_t j) { return c * gram[j]; });
      AddToDiagonal(work_, b);
      Multiply(work_, gram_, p_);  // (b I + c G) G
      AddToDiagonal(p_, a);
      if (i + 1 < end) Multiply(p_, gram_, work_), Multiply(work_, p_, gram_);
      if (i > begin) Multiply(p_, q_, work_), std::swap(p_, work_);
      std::swap(p_, q_);
    }
  }
  void Multiply(const Tensor& a, const Tensor& b, Tensor& c) const {
    products_.Symmetric(a.raw(), b.raw(), c.mutable_raw());
  }
  void AddToDiagonal(Tensor& m, double value) const {
    T* to = m.template mutable_data<T>();
    const int64_t side = products_.side;
    for (int64_t row = 0; row < products_.batch * side; ++row)
      to[row * side + row % side] += static_cast<T>(value);
  }

  const NewtonSchulzArgs& g_;
  const Products products_;
  Tensor gram_, p_, q_, work_, spare_;
};

// X and G in f32, rounded to bf16 where they are multiplied: X <- a X + (b G + c G^2) X.
class RoundedSteps {
 public:
  RoundedSteps(const NewtonSchulzArgs& g, int64_t batch)
      : steps_(g.steps),
        products_{batch, g.rows, g.cols, DType::kBf16, DType::kF32},
        x_(Tensor::Empty({batch, g.rows, g.cols}, DType::kBf16)) {
    const int64_t side = products_.side;
    gram_ = Tensor::Empty({batch, side, side}, DType::kF32);
    square_ = Tensor::Empty({batch, side, side}, DType::kF32);
    factor_ = Tensor::Empty({batch, side, side}, DType::kBf16);
  }

  void Run(const float* x, float* y) {
    const float *gram = gram_.data<float>(), *square = square_.data<float>();
    for (const QuinticStep& step : steps_) {
      const auto a = static_cast<float>(step.a), b = static_cast<float>(step.b),
                 c = static_cast<float>(step.c);
      Fill<Bf16>(x_, [=](int64_t i) { return x[i]; });
      products_.Gram(x_.raw(), gram_.mutable_raw());
      Fill<Bf16>(factor_, [=](int64_t i) { return gram[i]; });
      products_.Symmetric(factor_.raw(), factor_.raw(), square_.mutable_raw());
      Fill<Bf16>(factor_, [=](int64_t i) { return b * gram[i] + c * square[i]; });
      ParallelFor(x_.size(), kGrain, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) y[i] = a * x[i];
      });
      products_.Apply(factor_.raw(), x_.raw(), y, /*accumulate=*/true);
      x = y;
    }
  }

 private:
  const absl::Span<const QuinticStep> steps_;
  const Products products_;
  Tensor x_, gram_, square_, factor_;
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
    case DType::kF64: return Run<Chains<double>, double>(g);
    case DType::kF32: return Run<Chains<float>, float>(g);
    case DType::kBf16: return Run<RoundedSteps, float>(g);
    default: PALIMPSEST_CHECK(false) << "newton_schulz of " << g.dtype;
  }
}

PALIMPSEST_REGISTER_KERNEL(newton_schulz, kCpu, NewtonSchulzCpu);

}  // namespace
}  // namespace palimpsest
