#ifndef OPTIM_FUSED_CHAINS_H_
#define OPTIM_FUSED_CHAINS_H_

#include "optim/chain.h"

namespace palimpsest {

// Chains by name, each in a pass or two over a parameter and its state.
extern const Chain::Fused kFusedSgd, kFusedAdamW, kFusedLion, kFusedAmMgd, kFusedAmAdamW;

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

}  // namespace palimpsest

#endif  // OPTIM_FUSED_CHAINS_H_
