#ifndef KERNELS_CUDA_CUDNN_ATTENTION_H_
#define KERNELS_CUDA_CUDNN_ATTENTION_H_

#include <compare>
#include <cstdint>
#include <ostream>
#include <vector>

#include "kernels/causal_attention_vjp.h"
#include "kernels/cuda/cudnn_graph.h"

namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {

// Attention on cuDNN: what causal_attention.cu computes, by kernels that cuDNN compiles for the
// problem when it first meets it, which takes a second.

// What cuDNN is given: bf16 on Hopper, without a prefix; as many queries as a training step or a
// prompt has, for to generate is to meet a new problem with each token.
bool CudnnTakes(const CausalAttentionArgs& args);
bool CudnnTakes(const CausalAttentionVjpArgs& args);

// The gradient adds up dq without atomics, which takes [time, source] numbers of workspace for each
// head: heads are done in slices of so many bytes.
inline constexpr int64_t kCudnnWorkspaceBytes = int64_t{1} << 30;
void CudnnAttention(const CausalAttentionArgs& args);
void CudnnAttentionVjp(const CausalAttentionVjpArgs& args,
                       int64_t workspace_bytes = kCudnnWorkspaceBytes);

// Heads of some batches: all heads, or of one batch some.
struct CudnnSlice {
  int64_t batch, batches, kv_head, kv_heads;
};
// All of them, in slices of at most `most` heads of keys.
std::vector<CudnnSlice> CudnnSlices(int64_t batches, int64_t kv_heads, int64_t most);

// One call: of tensors whose tokens have `row_heads` and `row_kv_heads`, so many heads.
struct CudnnAttentionProblem {
  bool backward;
  int64_t batch, time, source, heads, kv_heads, row_heads, row_kv_heads, key, value, window;
  float scale;
  auto operator<=>(const CudnnAttentionProblem&) const = default;
};
std::ostream& operator<<(std::ostream& os, const CudnnAttentionProblem& p);

// Arguments of the graphs by id: delta, which the gradient's first kernel leaves for its second, is
// [batch, heads, time], the others are as in the arguments above.
enum CudnnAttentionArgument : int64_t { kQ = 1, kK, kV, kY, kLse, kDy, kDelta, kDq, kDk, kDv };
CudnnGraph CudnnAttentionGraph(const CudnnAttentionProblem& p);

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest

#endif  // KERNELS_CUDA_CUDNN_ATTENTION_H_
