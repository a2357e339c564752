#ifndef KERNELS_CAUSAL_ATTENTION_VJP_H_
#define KERNELS_CAUSAL_ATTENTION_VJP_H_

#include "core/kernel.h"
#include "kernels/causal_attention.h"

namespace palimpsest {

// The gradients for dy, a cotangent of y; y and lse are what the forward kernel gave.
struct CausalAttentionVjpArgs {
  CausalAttentionArgs forward;
  const void *y = nullptr, *lse = nullptr, *dy = nullptr;
  void *dq = nullptr, *dk = nullptr, *dv = nullptr;
};

extern Kernel<void(const CausalAttentionVjpArgs&)> causal_attention_vjp;

}  // namespace palimpsest

#endif  // KERNELS_CAUSAL_ATTENTION_VJP_H_
