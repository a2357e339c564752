#ifndef KERNELS_NEWTON_SCHULZ_STEPS_H_
#define KERNELS_NEWTON_SCHULZ_STEPS_H_

#include <algorithm>
#include <limits>
#include <utility>

#include "core/tensor.h"
#include "kernels/gemm.h"
#include "kernels/newton_schulz.h"

// Newton-Schulz steps as products and passes over what is multiplied. A device says which it is and
// makes the passes:
//   kDevice
//   Scale<T>(x, c, n, to)                    to = c x
//   AddToDiagonal<T>(m, value, side, count)  of `count` square matrices
//   Round(x, n, to)                          to bf16 from f32
//   Combine(x, a, y, b, n, to)               a x + b y, to bf16 from f32
namespace palimpsest {

// The matrix products for X [rows, cols] and square matrices of its shorter side, `batch` of each.
struct NewtonSchulzProducts {
  Device device;
  int64_t batch, rows, cols;
  DType in, out;
  int64_t side = std::min(rows, cols);
  bool tall = rows > cols;

  // c = a b, all symmetric.
  void Symmetric(const void* a, const void* b, void* c) const {
    GemmArgs args = Args(side, side, side, c);
    args.a = Square(a), args.b = Square(b);
    args.trans_a = args.symmetric = true;  // The factors are their own transposes; so is c.
    gemm(device, args);
  }
  // c = x x^T, or x^T x if it is smaller.
  void Gram(const void* x, void* c) const {
    GemmArgs args = Args(side, side, std::max(rows, cols), c);
    args.a = args.b = Long(x);
    args.trans_a = tall, args.trans_b = !tall;
    args.symmetric = true;
    gemm(device, args);
  }
  // y = p x, or x p; += with `accumulate`.
  void Apply(const void* p, const void* x, void* y, bool accumulate) const {
    GemmArgs args = Args(rows, cols, side, y);
    args.a = tall ? Long(x) : Square(p);
    args.b = tall ? Square(p) : Long(x);
    args.trans_a = !tall;  // Of p, which is symmetric, a transpose is read faster.
    if (accumulate) args.add = y;
    gemm(device, args);
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

// Of each X let G be the Gram matrix of its shorter side. A step multiplies X by the polynomial
// P = a I + b G + c G^2, and G becomes P G P. So several steps are a product Q of polynomials of
// one G, all of them symmetric and commuting, and only then a product with X: a chain. X is long
// beside G, or a chain is one step.
template <typename Passes, typename T>
class NewtonSchulzChains {
 public:
  NewtonSchulzChains(const NewtonSchulzArgs& g, int64_t batch)
      : g_(g), products_{Passes::kDevice, batch, g.rows, g.cols, kDTypeOf<T>, kDTypeOf<T>} {
    const int64_t side = products_.side;
    for (Tensor* t : {&gram_, &p_, &q_, &work_})
      *t = Tensor::Empty({batch, side, side}, kDTypeOf<T>, Passes::kDevice);
    if (NumChains() > 1)
      spare_ = Tensor::Empty({batch, g.rows, g.cols}, kDTypeOf<T>, Passes::kDevice);
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
      Passes::Scale(gram_.template data<T>(), c, gram_.size(), work_.template mutable_data<T>());
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
    Passes::AddToDiagonal(m.template mutable_data<T>(), value, products_.side, products_.batch);
  }

  const NewtonSchulzArgs& g_;
  const NewtonSchulzProducts products_;
  Tensor gram_, p_, q_, work_, spare_;
};

// X and G in f32, rounded to bf16 where they are multiplied: X <- a X + (b G + c G^2) X.
template <typename Passes>
class RoundedNewtonSchulz {
 public:
  RoundedNewtonSchulz(const NewtonSchulzArgs& g, int64_t batch)
      : steps_(g.steps),
        products_{Passes::kDevice, batch, g.rows, g.cols, DType::kBf16, DType::kF32},
        x_(Tensor::Empty({batch, g.rows, g.cols}, DType::kBf16, Passes::kDevice)) {
    const Shape square = {batch, products_.side, products_.side};
    gram_ = Tensor::Empty(square, DType::kF32, Passes::kDevice);
    square_ = Tensor::Empty(square, DType::kF32, Passes::kDevice);
    factor_ = Tensor::Empty(square, DType::kBf16, Passes::kDevice);
  }

  void Run(const float* x, float* y) {
    const float *gram = gram_.data<float>(), *square = square_.data<float>();
    Bf16 *rounded = x_.mutable_data<Bf16>(), *factor = factor_.mutable_data<Bf16>();
    for (const QuinticStep& step : steps_) {
      Passes::Round(x, x_.size(), rounded);
      products_.Gram(rounded, gram_.mutable_raw());
      Passes::Round(gram, gram_.size(), factor);
      products_.Symmetric(factor, factor, square_.mutable_raw());
      Passes::Combine(gram, step.b, square, step.c, gram_.size(), factor);
      Passes::Scale(x, step.a, x_.size(), y);
      products_.Apply(factor, rounded, y, /*accumulate=*/true);
      x = y;
    }
  }

 private:
  const absl::Span<const QuinticStep> steps_;
  const NewtonSchulzProducts products_;
  Tensor x_, gram_, square_, factor_;
};

}  // namespace palimpsest

#endif  // KERNELS_NEWTON_SCHULZ_STEPS_H_
