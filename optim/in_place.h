#ifndef OPTIM_IN_PLACE_H_
#define OPTIM_IN_PLACE_H_

#include <initializer_list>
#include <optional>

#include "core/scalar.h"
#include "core/tensor.h"

namespace palimpsest {

// Whether a kernel may do what ops would with these: no tape watches one of them, and no
// ComposedScope asks for the ops.
bool MayUseKernels(std::initializer_list<const Tensor*> tensors);

// Whether the host can read it without waiting for a device.
inline bool HostReads(const Tensor& x) { return x.device() == Device::kCpu; }

// An f64 scalar, the host's or where a kernel's tensors are, for that kernel: times x + plus.
Scalar ScalarOf(const Tensor& x, double times = 1.0, double plus = 0.0);

// Where a kernel leaves what is to take the place of `x`: in `x` itself if no one else holds it.
// `x` has another id afterwards.
class Replacement {
 public:
  explicit Replacement(Tensor& x)
      : x_(x), out_(x.Unique() ? x : Tensor::Empty(x.shape(), x.dtype(), x.device())) {}
  ~Replacement() { x_ = out_.Detach(); }
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;

  const void* from() const { return x_.raw(); }
  void* to() { return out_.mutable_raw(); }

 private:
  Tensor& x_;
  Tensor out_;
};

// x <- replacement where `taken` (i32 [], where x is) is not 0, in x itself if no one else holds
// it.
void Replace(Tensor& x, const Tensor& replacement, const Tensor& taken);

// m <- keep m + strength g. Returns m, or keep m + strength g of the new m if it looks ahead,
// divided by 1 - keep^writes if it is corrected, in the shape of g; nothing where there is no
// kernel. For what MayUseKernels.
struct WriteAverageOptions {
  Scalar keep, strength;
  bool lookahead = false, corrected = false;
  Scalar writes = 1.0;
};
std::optional<Tensor> WriteAverage(Tensor& m, const Tensor& g, const WriteAverageOptions& options);

// A step of this size, with decay: param <- (1 - lr weight_decay) param - scale lr u; or if it is
// `whole`, - u. f64 scalars; lr may be where the parameter is.
struct StepSize {
  Tensor lr, weight_decay;
  double scale = 1.0;
  bool whole = false;
};
void StepDown(Tensor& param, const Tensor& u, const StepSize& size);

// The same with u scaled by an average of the squares of x, in one pass; for what MayUseKernels:
//   v <- keep v + (1 - keep) x^2,  u <- u / (sqrt(v / (1 - keep^writes)) + eps)
struct SquaresOptions {
  double keep, eps;
  bool corrected = false;
  Scalar writes = 1.0;
};
void RmsStepDown(Tensor& param, const Tensor& u, const StepSize& size, const Tensor& x, Tensor& v,
                 const SquaresOptions& squares);

}  // namespace palimpsest

#endif  // OPTIM_IN_PLACE_H_
