#ifndef CORE_PAIR_TAP_H_
#define CORE_PAIR_TAP_H_

#include "core/tensor.h"

namespace palimpsest {

// While alive, is shown the pairs a weight's gradient is made of as backward passes on this thread
// come by them: for y = x W^T the rows of x [..., in] and dy [..., out], with dW = dy^T x. A weight
// used several times, or in several passes, is shown each time. Taps nest: the innermost that knows
// the weight sees it.
class PairTap {
 public:
  PairTap();
  virtual ~PairTap();
  PairTap(const PairTap&) = delete;
  PairTap& operator=(const PairTap&) = delete;

  virtual bool Knows(const Tensor& weight) const = 0;
  // Whether the gradient is still to be computed.
  virtual bool See(const Tensor& weight, const Tensor& x, const Tensor& dy) = 0;

  // The tap on this thread that knows `weight`, or nullptr.
  static PairTap* Of(const Tensor& weight);

 private:
  PairTap* const outer_;
};

}  // namespace palimpsest

#endif  // CORE_PAIR_TAP_H_
