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

// Of each X let G be the Gram matrix of its shorter side. A step multiplies X by the polynomial
// P = a I + b G + c G^2, and G becomes P G P. So several steps are a product Q of polynomials of
// one G, all of them symmetric and commuting, and only then a product with X: a chain. X is long
// beside G, or a chain is one step.
template <typename T>
class Chains {
 public:
  Chains(const NewtonSchulzArgs& g, int64_t batch)
      : g_(g), batch_(batch), side_(std::min(g.rows, g.cols)), tall_(g.rows > g.cols) {
    for (Tensor* t : {&gram_, &p_, &q_, &work_})
      *t = Tensor::Empty({batch, side_, side_}, kDTypeOf<T>);
    if (NumChains() > 1) spare_ = Tensor::Empty({batch, g.rows, g.cols}, kDTypeOf<T>);
  }

  void Run(const T* x, T* y) {
    if (g_.steps.empty()) std::copy_n(x, batch_ * g_.rows * g_.cols, y);
    // In turn to y and elsewhere, so that the last ends in y.
    int64_t left = NumChains();
    for (size_t begin = 0; begin < g_.steps.size(); begin = EndOfChain(begin)) {
      T* const to = left-- % 2 == 1 ? y : spare_.template mutable_data<T>();
      MultiplyOut(begin, EndOfChain(begin), x);
      Apply(x, to);
      x = to;
    }
  }

 private:
  // Rounding leaves errors of some eps in G, and negative eigenvalues of that size where X has
  // none; the steps of a chain multiply the least of them by the square of their gain.
  size_t EndOfChain(size_t begin) const {
    constexpr double kMostError = 0x1p-9;
    const double eps = std::numeric_limits<T>::epsilon();
    if (2 * std::max(g_.rows, g_.cols) < 3 * side_) return begin + 1;
    double gain = g_.steps[begin].a;
    size_t end = begin + 1;
    while (end < g_.steps.size() && eps * std::pow(gain * g_.steps[end].a, 2) <= kMostError)
      gain *= g_.steps[end++].a;
    return end;
  }
  int64_t NumChains() const {
    int64_t count = 0;
    for (size_t begin = 0; begin < g_.steps.size(); begin = EndOfChain(begin)) ++count;
    return count;
  }

  // q_ = the product of the polynomials of the steps [begin, end) on x.
  void MultiplyOut(size_t begin, size_t end, const T* x) {
    Gram(x);
    for (size_t i = begin; i < end; ++i) {
      const auto [a, b, c] = g_.steps[i];
      Scale(c), AddToDiagonal(work_, b);
      Multiply(work_, gram_, p_);  // (b I + c G) G
      AddToDiagonal(p_, a);
      if (i + 1 < end) Multiply(p_, gram_, work_), Multiply(work_, p_, gram_);
      if (i > begin) Multiply(p_, q_, work_), std::swap(p_, work_);
      std::swap(p_, q_);
    }
  }

  GemmMatrix<const void*> Long(const T* x) const { return {x, g_.cols, {0, g_.rows * g_.cols}}; }
  GemmMatrix<const void*> Square(const Tensor& x) const {
    return {x.raw(), side_, {0, side_ * side_}};
  }
  GemmArgs Products(int64_t m, int64_t n, int64_t k, void* c) const {
    GemmArgs args{.m = m, .n = n, .k = k};
    args.batch[1] = batch_;
    args.c = {c, n, {0, m * n}};
    args.dtype = args.out = kDTypeOf<T>;
    return args;
  }
  void Multiply(const Tensor& a, const Tensor& b, Tensor& c) const {
    GemmArgs args = Products(side_, side_, side_, c.mutable_raw());
    args.a = Square(a), args.b = Square(b);
    args.symmetric = true;
    gemm(Device::kCpu, args);
  }
  void Gram(const T* x) {
    GemmArgs args = Products(side_, side_, std::max(g_.rows, g_.cols), gram_.mutable_raw());
    args.a = args.b = Long(x);
    args.trans_a = tall_, args.trans_b = !tall_;
    args.symmetric = true;
    gemm(Device::kCpu, args);
  }
  // to = q_ x, or x q_.
  void Apply(const T* x, T* to) const {
    GemmArgs args = Products(g_.rows, g_.cols, side_, to);
    args.a = tall_ ? Long(x) : Square(q_);
    args.b = tall_ ? Square(q_) : Long(x);
    gemm(Device::kCpu, args);
  }

  void Scale(double factor) {
    const T* from = gram_.template data<T>();
    T* to = work_.template mutable_data<T>();
    ParallelFor(gram_.size(), 1 << 15, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[i] = static_cast<T>(factor) * from[i];
    });
  }
  void AddToDiagonal(Tensor& m, double value) const {
    T* to = m.template mutable_data<T>();
    for (int64_t row = 0; row < batch_ * side_; ++row)
      to[row * side_ + row % side_] += static_cast<T>(value);
  }

  const NewtonSchulzArgs& g_;
  const int64_t batch_, side_;
  const bool tall_;
  Tensor gram_, p_, q_, work_, spare_;
};

template <typename T>
void Run(const NewtonSchulzArgs& g) {
  constexpr int64_t kManyMatrices = 16;  // A thread keeps one of them in its caches to the end.
  const T* x = static_cast<const T*>(g.x);
  T* y = static_cast<T*>(g.y);
  if (g.batch < kManyMatrices) return Chains<T>(g, g.batch).Run(x, y);
  const int64_t size = g.rows * g.cols;
  ParallelFor(g.batch, std::max<int64_t>(1, (1 << 16) / std::max<int64_t>(1, size)),
              [&](int64_t begin, int64_t end) {
                Chains<T> chains(g, 1);
                for (int64_t i = begin; i < end; ++i) chains.Run(x + i * size, y + i * size);
              });
}

void NewtonSchulzCpu(const NewtonSchulzArgs& g) {
  PALIMPSEST_CHECK(g.dtype == DType::kF32 || g.dtype == DType::kF64) << "in " << g.dtype;
  if (g.batch * g.rows * g.cols == 0) return;
  g.dtype == DType::kF64 ? Run<double>(g) : Run<float>(g);
}

PALIMPSEST_REGISTER_KERNEL(newton_schulz, kCpu, NewtonSchulzCpu);

}  // namespace
}  // namespace palimpsest
