#ifndef OPTIM_IN_PLACE_H_
#define OPTIM_IN_PLACE_H_

#include <initializer_list>
#include <optional>

#include "core/tensor.h"

namespace palimpsest {

// Whether a kernel may do what ops would with these: no tape watches one of them, and no
// ComposedScope asks for the ops.
bool MayUseKernels(std::initializer_list<const Tensor*> tensors);

// Whether the host can read it without waiting for a device.
inline bool HostReads(const Tensor& x) { return x.device() == Device::kCpu; }

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

// m <- keep m + strength g. Returns read_scale m, or read_scale (keep m + strength g) of the new m
// if it looks ahead, in the shape of g; nothing where there is no kernel. For what MayUseKernels.
struct WriteAverageOptions {
  double keep, strength;
  bool lookahead = false;
  double read_scale = 1.0;
};
std::optional<Tensor> WriteAverage(Tensor& m, const Tensor& g, const WriteAverageOptions& options);

// param <- keep param - step u, for f64 scalars keep and step.
void StepDown(Tensor& param, const Tensor& u, const Tensor& keep, const Tensor& step);

// The same with u scaled by an average of the squares of x, in one pass; for what MayUseKernels:
//   v <- keep_v v + (1 - keep_v) x^2,  param <- keep param - step u / (sqrt(v / correction) + eps)
struct RmsStepDownOptions {
  double keep, step, keep_v, correction, eps;
};
void RmsStepDown(Tensor& param, const Tensor& u, const Tensor& x, Tensor& v,
                 const RmsStepDownOptions& options);

}  // namespace palimpsest

#endif  // OPTIM_IN_PLACE_H_
