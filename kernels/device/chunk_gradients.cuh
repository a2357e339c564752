#ifndef KERNELS_DEVICE_CHUNK_GRADIENTS_CUH_
#define KERNELS_DEVICE_CHUNK_GRADIENTS_CUH_

#include "kernels/device/chunk.cuh"
#include "kernels/device/reduce.cuh"

namespace palimpsest::device {

// What the gradients of a chunk are made of, and where they go. With d for cotangents,
//   dR = P^T dY + K dX',   D = (I - L)^{-T} dR,   dX = F^T dX' + Q^T dY + W^T dR,
// the table [P; L] gets [dY; D] R^T, the reads of X before the chunk [dY; D] X^T, and K gets R
// dX'^T.
template <typename T>
struct ChunkGradients {
  using N = Number<T>;

  const N* saved;  // X before each chunk, [places, height, value].
  N* dsaved;       // dX' after each chunk.
  const T* dy;     // nullptr: 0.
  T *dq, *dk, *dv, *de;
  N *derase_scale, *dwrite_scale, *dlog_keep, *dlog_eta, *dbeta;
  const T *r, *d;  // Of the chunk, [C, value].

  // Those of a chunk.
  __device__ ChunkGradients At(const ChunkProblem<T>& g, const ChunkOperands<T>& chunk,
                               int64_t i) const {
    ChunkGradients one = *this;
    one.saved += i * g.height() * g.value;
    one.dsaved += i * g.height() * g.value;
    one.r = chunk.u;
    one.d = chunk.dr;
    return one;
  }

  // The cotangents of what queries, or erase keys, read.
  __device__ MatrixRows<T> DReads(const Tokens<T>& tokens, int erase) const {
    if (erase == 1) return {d, tokens.g.value, tokens.g.rows()};
    return dy == nullptr ? MatrixRows<T>{d, 0, 0} : tokens.Rows(dy, tokens.g.value);
  }
  __device__ MatrixRows<T> Writes(const ChunkProblem<T>& g) const { return {r, g.value, g.rows()}; }
  // += [dY; D] X^T for key channels from `first` of state s.
  __device__ void AddReadOfStart(const Tokens<T>& tokens, int erase, int s, int64_t first,
                                 Product<T>& to) const {
    const ChunkProblem<T>& g = tokens.g;
    const N* x = saved + (s * g.key + first) * g.value;
    to.Add(g.value, DReads(tokens, erase), MatrixRows<N>{x, g.value, g.key - first});
  }
  // += R dX'^T
  __device__ void AddWriteToEnd(const Tokens<T>& tokens, int s, int64_t first,
                                Product<T>& to) const {
    const ChunkProblem<T>& g = tokens.g;
    const N* dx = dsaved + (s * g.key + first) * g.value;
    to.Add(g.value, Writes(g), MatrixRows<N>{dx, g.value, g.key - first});
  }

  __device__ void StoreRow(const Tokens<T>& tokens, T* rows, int64_t t, int64_t i, N x) const {
    if (t < tokens.count) rows[tokens.Row(t) * tokens.g.key + i] = Narrow<T>(x);
  }
  template <typename F>
  __device__ void StoreGates(const Tokens<T>& tokens, N* gates, F f) const {
    if (gates == nullptr) return;
    Each(tokens.count, [&](int64_t t) { gates[tokens.Row(t)] = f(t); });
  }

  // From dread [C, columns] of -erase_scale e: de, or its part of dkey where e is k; and what
  // erase_scale gets of these columns, negated.
  __device__ void EraseBackward(const Tokens<T>& tokens, int64_t first, N* derase,
                                Product<T>& dread, Product<T>& dkey) const {
    dread.RowSums(
        [&](int t, int i, N x) { return x * tokens.At(tokens.g.e, t, tokens.g.key, first + i); },
        [&](int t, N sum) { derase[t] += sum; });
    if (de == nullptr) {
      dkey.Merge(dread, [&](int t, int, N x, N y) {
        return t < tokens.count ? x + tokens.EraseScale(t) * y : x;
      });
    } else {
      dread.Each([&](int t, int i, N x) {
        if (t < tokens.count) StoreRow(tokens, de, t, first + i, tokens.EraseScale(t) * x);
      });
    }
  }

  // <dX' of state s, X of state other>, the same to all threads; sums [kWarp].
  __device__ N DotOfStates(const Tokens<T>& tokens, int s, int other, N* sums) const {
    const int64_t size = tokens.g.key * tokens.g.value;
    const N *dx = dsaved + s * size, *x = saved + other * size;
    N sum = N(0);
    Each(size, [&](int64_t i) { sum += dx[i] * x[i]; });
    return BlockReduce(sum, N(0), Plus(), sums);
  }
};

}  // namespace palimpsest::device

#endif  // KERNELS_DEVICE_CHUNK_GRADIENTS_CUH_
