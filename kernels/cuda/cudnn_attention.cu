#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>

#include "core/dtype.h"
#include "kernels/cuda/cudnn_attention.h"
#include "kernels/cuda/dispatch.h"

namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {
namespace {

using Problem = CudnnAttentionProblem;

constexpr int64_t kMostElements = (int64_t{1} << 31) - 1;  // Of a tensor in one call.
constexpr int64_t kMostWorkspace = int64_t{8} << 30;       // Of one head of keys and its queries'.
constexpr int64_t kFewQueries = 16;

// Elements of one batch of the largest tensor.
int64_t LargestBatch(const CausalAttentionArgs& a) {
  const int64_t dim = std::max(a.key, a.value);
  return std::max(a.time * a.heads, a.source * a.kv_heads) * dim;
}

// dS in bf16, in tiles of queries and of keys.
int64_t WorkspaceOfHead(const CausalAttentionArgs& a) {
  constexpr int64_t kTile = 128;
  return a.heads / a.kv_heads * CeilDiv(a.time, kTile) * CeilDiv(a.source, kTile) * kTile * kTile *
         static_cast<int64_t>(sizeof(Bf16));
}

const CudnnPlan& PlanFor(const Problem& p) {
  static std::mutex mutex;
  static auto* plans = new std::map<Problem, std::unique_ptr<CudnnPlan>>;
  const std::lock_guard lock(mutex);
  std::unique_ptr<CudnnPlan>& plan = (*plans)[p];
  if (plan == nullptr) {
    std::ostringstream what;
    what << p;
    plan = CudnnAttentionGraph(p).Build(Cudnn::Handle(), nullptr, what.str());
  }
  return *plan;
}

Problem ProblemOf(const CausalAttentionArgs& a, const CudnnSlice& slice, bool backward) {
  return {.backward = backward,
          .batch = slice.batches,
          .time = a.time,
          .source = a.source,
          .heads = slice.kv_heads * (a.heads / a.kv_heads),
          .kv_heads = slice.kv_heads,
          .row_heads = a.heads,
          .row_kv_heads = a.kv_heads,
          .key = a.key,
          .value = a.value,
          .window = a.window,
          .scale = static_cast<float>(a.scale)};
}

// Where a slice's part of the tensors begins.
struct Offsets {
  const CausalAttentionArgs& a;
  const CudnnSlice& slice;

  void* Queries(const void* x, int64_t dim) const {
    return At<Bf16>(x, (slice.batch * a.time * a.heads + head()) * dim);
  }
  void* Keys(const void* x, int64_t dim) const {
    return At<Bf16>(x, (slice.batch * a.source * a.kv_heads + slice.kv_head) * dim);
  }
  void* Rows(const void* x) const {
    return At<float>(x, (slice.batch * a.heads + head()) * a.time);
  }
  std::map<int64_t, void*> Inputs() const {
    return {{kQ, Queries(a.q, a.key)}, {kK, Keys(a.k, a.key)}, {kV, Keys(a.v, a.value)}};
  }

 private:
  int64_t head() const { return slice.kv_head * (a.heads / a.kv_heads); }
  template <typename T>
  static void* At(const void* x, int64_t offset) {
    return const_cast<T*>(static_cast<const T*>(x) + offset);
  }
};

void Run(const Problem& p, const std::map<int64_t, void*>& arguments) {
  const CudnnPlan& plan = PlanFor(p);
  Scratch<int32_t> workspace(CeilDiv(plan.workspace_bytes(), sizeof(int32_t)));
  plan.Run(arguments, workspace.data());
}

}  // namespace

bool CudnnTakes(const CausalAttentionArgs& a) {
  const auto takes = [](int64_t dim) { return dim > 0 && dim <= 256 && dim % 8 == 0; };
  return a.dtype == DType::kBf16 && takes(a.key) && takes(a.value) && a.prefix == 0 &&
         a.batch > 0 && a.heads > 0 && a.time >= kFewQueries && a.source >= a.time &&
         LargestBatch(a) <= kMostElements && Aligned({a.q, a.k, a.v, a.y}) && Cudnn::Serves();
}

// Where the last tile of queries is not full and keys begin before queries, its gradients may be
// NaN for logits below -88 (cudnn-frontend's issue 1072).
bool CudnnTakes(const CausalAttentionVjpArgs& args) {
  constexpr int64_t kTile = 64;
  const CausalAttentionArgs& a = args.forward;
  return CudnnTakes(a) && (a.time == a.source || a.time % kTile == 0) &&
         WorkspaceOfHead(a) <= kMostWorkspace &&
         Aligned({args.y, args.dy, args.dq, args.dk, args.dv});
}

std::vector<CudnnSlice> CudnnSlices(int64_t batches, int64_t kv_heads, int64_t most) {
  std::vector<CudnnSlice> slices;
  const int64_t whole = std::max<int64_t>(most / kv_heads, 1);  // Batches of a slice.
  const int64_t heads = std::clamp<int64_t>(most, 1, kv_heads);
  for (int64_t b = 0; b < batches; b += whole) {
    for (int64_t head = 0; head < kv_heads; head += heads)
      slices.push_back({b, std::min(whole, batches - b), head, std::min(heads, kv_heads - head)});
  }
  return slices;
}

void CudnnAttention(const CausalAttentionArgs& a) {
  const int64_t most = kMostElements / LargestBatch(a) * a.kv_heads;
  for (const CudnnSlice& slice : CudnnSlices(a.batch, a.kv_heads, most)) {
    const Offsets at{a, slice};
    std::map<int64_t, void*> arguments = at.Inputs();
    arguments[kY] = at.Queries(a.y, a.value);
    arguments[kLse] = at.Rows(a.lse);
    Run(ProblemOf(a, slice, false), arguments);
  }
}

void CudnnAttentionVjp(const CausalAttentionVjpArgs& args, int64_t workspace_bytes) {
  const CausalAttentionArgs& a = args.forward;
  const int64_t most = std::min(kMostElements / LargestBatch(a) * a.kv_heads,
                                std::max<int64_t>(workspace_bytes / WorkspaceOfHead(a), 1));
  Scratch<float> delta(a.batch * a.heads * a.time);
  for (const CudnnSlice& slice : CudnnSlices(a.batch, a.kv_heads, most)) {
    const Offsets at{a, slice};
    std::map<int64_t, void*> arguments = at.Inputs();
    arguments[kY] = at.Queries(args.y, a.value);
    arguments[kLse] = at.Rows(args.lse);
    arguments[kDy] = at.Queries(args.dy, a.value);
    arguments[kDelta] = at.Rows(delta.data());
    arguments[kDq] = at.Queries(args.dq, a.key);
    arguments[kDk] = at.Keys(args.dk, a.key);
    arguments[kDv] = at.Keys(args.dv, a.value);
    Run(ProblemOf(a, slice, true), arguments);
  }
}

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest
