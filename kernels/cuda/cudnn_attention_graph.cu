#include <cmath>

#include "kernels/cuda/cudnn_attention.h"

// The operations from which cuDNN's engines recognise attention (Dao et al. 2022) and its gradient.
namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {
namespace {

using Problem = CudnnAttentionProblem;

// Heads of [batch, rows, row_heads, columns] in memory.
CudnnTensor Heads(CudnnGraph& graph, const Problem& p, int64_t id, int64_t heads, int64_t row_heads,
                  int64_t rows, int64_t columns) {
  return graph.Argument(id, CUDNN_DATA_BFLOAT16, {p.batch, heads, rows, columns},
                        {rows * row_heads * columns, columns, row_heads * columns, 1});
}
CudnnTensor OfQueries(CudnnGraph& graph, const Problem& p, int64_t id, int64_t columns) {
  return Heads(graph, p, id, p.heads, p.row_heads, p.time, columns);
}
CudnnTensor OfKeys(CudnnGraph& graph, const Problem& p, int64_t id, int64_t columns) {
  return Heads(graph, p, id, p.kv_heads, p.row_kv_heads, p.source, columns);
}
// The same in memory, each head's matrix transposed.
CudnnTensor OfKeysTransposed(CudnnGraph& graph, const Problem& p, int64_t id, int64_t columns) {
  return graph.Argument(
      id, CUDNN_DATA_BFLOAT16, {p.batch, p.kv_heads, columns, p.source},
      {p.source * p.row_kv_heads * columns, columns, 1, p.row_kv_heads * columns});
}
CudnnTensor OfRows(CudnnGraph& graph, const Problem& p, int64_t id) {
  const CudnnExtents extents = {p.batch, p.heads, p.time, 1};
  return graph.Argument(id, CUDNN_DATA_FLOAT, extents, DenseStrides(extents));
}

// -inf where query t, at source - time + t, does not see key s. The operations are in the order,
// and the numbers of the types, that cuDNN recognises.
CudnnTensor Masked(CudnnGraph& graph, const Problem& p, CudnnTensor logits) {
  const auto integer = [&](int64_t x) { return graph.Constant(static_cast<int32_t>(x)); };
  CudnnTensor position = graph.Index(logits, 2);
  const CudnnTensor s = graph.Index(logits, 3);
  if (p.source != p.time) {
    position = graph.Map(CUDNN_POINTWISE_ADD, position, integer(p.source));
    position = graph.Map(CUDNN_POINTWISE_SUB, position, integer(p.time));
  }
  logits = graph.Select(graph.Compare(CUDNN_POINTWISE_CMP_GE, position, s), logits,
                        graph.Constant(-INFINITY));
  if (p.window == 0 || p.window >= p.source) return logits;
  const CudnnTensor t = graph.Index(logits, 2);
  const CudnnTensor reach =
      graph.Map(CUDNN_POINTWISE_ADD, graph.Index(logits, 3),
                graph.Constant(static_cast<float>(p.window + p.time - p.source)));
  return graph.Select(graph.Compare(CUDNN_POINTWISE_CMP_GT, reach, t), logits,
                      graph.Constant(-INFINITY));
}

void Forward(CudnnGraph& graph, const Problem& p) {
  const CudnnTensor q = OfQueries(graph, p, kQ, p.key);
  const CudnnTensor k = OfKeysTransposed(graph, p, kK, p.key);
  const CudnnTensor logits =
      Masked(graph, p, graph.Map(CUDNN_POINTWISE_MUL, graph.MatMul(q, k), graph.Constant(p.scale)));
  const CudnnTensor max = graph.ReduceRows(CUDNN_REDUCE_TENSOR_MAX, logits);
  const CudnnTensor exponentials =
      graph.Map(CUDNN_POINTWISE_EXP, graph.Map(CUDNN_POINTWISE_SUB, logits, max));
  const CudnnTensor sum = graph.ReduceRows(CUDNN_REDUCE_TENSOR_ADD, exponentials);
  const CudnnTensor log = graph.Map(CUDNN_POINTWISE_LOG, sum);
  graph.Map(CUDNN_POINTWISE_ADD, max, &log, OfRows(graph, p, kLse));
  const CudnnTensor probabilities = graph.Virtual(CUDNN_DATA_BFLOAT16, logits.extents);
  graph.Map(CUDNN_POINTWISE_DIV, exponentials, &sum, probabilities);
  graph.MatMul(probabilities, OfKeys(graph, p, kV, p.value), OfQueries(graph, p, kY, p.value));
}

// What a head of keys gets: x^T dy, summed over the heads of queries that read it.
void KeyGradient(CudnnGraph& graph, const Problem& p, const CudnnTensor& x, const CudnnTensor& dy,
                 const CudnnTensor& gradient) {
  const CudnnTensor transposed =
      graph.Reshape(x, graph.Virtual(CUDNN_DATA_BFLOAT16, {p.batch, p.heads, p.source, p.time},
                                     {x.strides[0], x.strides[1], 1, x.strides[2]}));
  if (p.heads == p.kv_heads) return graph.MatMul(transposed, dy, gradient);
  const CudnnTensor all =
      graph.Virtual(CUDNN_DATA_BFLOAT16, {p.batch, p.heads, p.source, dy.extents[3]});
  graph.MatMul(transposed, dy, all);
  graph.Reduce(CUDNN_REDUCE_TENSOR_ADD, all, gradient);
}

// With P = exp(S - lse): dV = P^T dY, dS = P (dY V^T - sum(dY Y)), dK = dS^T Q, dQ = dS K. That dS
// is written out, for dQ to be a product of its own, is what makes cuDNN add it up in a fixed
// order.
void Backward(CudnnGraph& graph, const Problem& p) {
  const CudnnTensor q = OfQueries(graph, p, kQ, p.key);
  const CudnnTensor k = OfKeysTransposed(graph, p, kK, p.key);
  const CudnnTensor v = OfKeysTransposed(graph, p, kV, p.value);
  const CudnnTensor y = OfQueries(graph, p, kY, p.value), dy = OfQueries(graph, p, kDy, p.value);
  const CudnnTensor lse = OfRows(graph, p, kLse), delta = OfRows(graph, p, kDelta);
  const CudnnTensor scale = graph.Constant(p.scale), one = graph.Constant(1.0f);
  graph.Map(CUDNN_POINTWISE_MUL,
            graph.ReduceRows(CUDNN_REDUCE_TENSOR_ADD, graph.Map(CUDNN_POINTWISE_MUL, dy, y)), &one,
            delta);
  const CudnnTensor logits = graph.Map(CUDNN_POINTWISE_MUL, graph.MatMul(q, k), scale);
  const CudnnTensor probabilities =
      graph.Map(CUDNN_POINTWISE_EXP, Masked(graph, p, graph.Map(CUDNN_POINTWISE_SUB, logits, lse)));
  KeyGradient(graph, p, probabilities, dy, OfKeys(graph, p, kDv, p.value));
  const CudnnTensor slope = graph.Map(CUDNN_POINTWISE_SUB, graph.MatMul(dy, v), delta);
  const CudnnTensor ds =
      graph.Map(CUDNN_POINTWISE_MUL, graph.Map(CUDNN_POINTWISE_MUL, slope, probabilities), scale);
  KeyGradient(graph, p, ds, q, OfKeys(graph, p, kDk, p.key));
  const CudnnTensor keys =
      graph.Reshape(k, graph.Virtual(CUDNN_DATA_BFLOAT16, {p.batch, p.kv_heads, p.source, p.key},
                                     {k.strides[0], k.strides[1], k.strides[3], k.strides[2]}));
  graph.MatMul(ds, keys, OfQueries(graph, p, kDq, p.key));
}

}  // namespace

CudnnGraph CudnnAttentionGraph(const CudnnAttentionProblem& p) {
  CudnnGraph graph;
  if (p.backward) {
    Backward(graph, p);
  } else {
    Forward(graph, p);
  }
  return graph;
}

std::ostream& operator<<(std::ostream& os, const CudnnAttentionProblem& p) {
  return os << (p.backward ? "the gradient of " : "") << "attention of [" << p.batch << ","
            << p.time << "," << p.heads << "," << p.key << "] to [" << p.batch << "," << p.source
            << "," << p.kv_heads << "," << p.key << "], values of " << p.value << ", window "
            << p.window;
}

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest
