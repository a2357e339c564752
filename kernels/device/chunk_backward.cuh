#ifndef KERNELS_DEVICE_CHUNK_BACKWARD_CUH_
#define KERNELS_DEVICE_CHUNK_BACKWARD_CUH_

#include "kernels/device/chunk_forward.cuh"
#include "kernels/device/chunk_gradients.cuh"

namespace palimpsest::device {

// The cotangents of the states, and of what solves for R, chunk before chunk.
template <typename T>
struct StateCotangents {
  using N = Number<T>;
  const N *dlast_state, *dlast_momentum;  // nullptr: 0.
  N *dstate, *dmomentum;
};

// Its blocks are few: each may take all the registers it needs.
template <typename T>
__global__ void __launch_bounds__(kProductThreads, 1)
    BackwardPass(ChunkProblem<T> g, ChunkOperands<T> all, ChunkGradients<T> to,
                 StateCotangents<T> d, int width) {
  using N = Number<T>;
  PassShared<T> m(SharedMemory<char>(), g, width);
  const ValueBlock block(g.value, width);
  const int64_t state = block.unit * g.value * g.key, height = g.height();
  const int c = g.rows();
  const auto offset = [state](auto* x) { return x == nullptr ? x : x + state; };
  m.Load(g, offset(d.dlast_state), 0, block.first, block.values);
  if (g.states == 2) m.Load(g, offset(d.dlast_momentum), 1, block.first, block.values);
  const int64_t chunks = Extent(g, block.unit / g.heads).chunks;
  for (int64_t chunk = chunks - 1; chunk >= 0; --chunk) {
    const ChunkPlace place(g, block.unit, chunk);
    const Tokens<T> tokens(g, place);
    const ChunkOperands<T> from = all.At(g, place.index);
    const auto dy_of =
        Across([&](int v, int64_t t) { return tokens.At(to.dy, t, g.value, block.first + v); });
    __syncthreads();
    m.Save(g, to.dsaved + place.index * height * g.value, block.first, block.values);
    Product<T, true> dr(m.stage, c, block.values);
    if (to.dy != nullptr) {
      dr.Add(c, Across([&](int j, int64_t t) { return Widen(from.p[t * c + j]); }), dy_of);
    }
    dr.Add(height, MatrixRows<T>{from.k, height, c},
           Across([&](int v, int64_t i) { return m.x[i * width + v]; }));
    dr.Each([&](int t, int v, N x) {
      m.r[t * width + v] = x;
      from.dr[t * g.value + block.first + v] = Narrow<T>(x);
    });
    for (int s = g.states - 1; s >= 0; --s) {
      for (int64_t i0 = 0; i0 < g.key; i0 += kEdge) {
        Product<T, true> before(m.stage, g.key - i0, block.values);
        const int64_t column = s * g.key + i0;
        if (to.dy != nullptr) {
          before.Add(
              c, Across([&](int i, int64_t t) { return Widen(from.q[t * height + column + i]); }),
              dy_of);
        }
        if (g.erases()) {
          before.Add(
              c, Across([&](int i, int64_t t) { return Widen(from.w[t * height + column + i]); }),
              Across([&](int v, int64_t t) { return m.r[t * width + v]; }));
        }
        __syncthreads();
        before.Each([&](int i, int v, N x) {
          N* at = m.x + (i0 + i) * width + v;
          N* momentum = at + g.key * width;
          if (s == 1) {
            *momentum = from.f[2] * *momentum + from.f[1] * *at + x;
          } else {
            *at = from.f[g.channels ? i0 + i : 0] * *at + x;
          }
        });
      }
    }
  }
  __syncthreads();
  m.Store(g, d.dstate + state, 0, block.first, block.values);
  if (g.states == 2) m.Store(g, d.dmomentum + state, 1, block.first, block.values);
}

// Shared memory of ChunkBackward.
template <typename T, typename Decay>
struct GradientShared {
  using N = Number<T>;
  __host__ __device__ GradientShared(void* base, const ChunkProblem<T>& g)
      : plan(base),
        stage(plan.Take<Stage<T>>(1)),
        dtable(plan.Take<N>(2 * g.rows() * g.rows())),
        sums(plan.Take<N>(g.rows())),
        decay(plan, g.rows()),
        gradients(plan, g.rows()) {}
  SharedPlan plan;
  Stage<T>* stage;
  N *dtable, *sums;
  Decay decay;
  typename Decay::Gradients gradients;
};

// Makes of the chunk's operands u: R = U + W X, and dr: D = (I - L)^{-T} dR; dv and what
// write_scale gets, into sums first.
template <typename T>
__device__ void WritesBackward(const Tokens<T>& tokens, const ChunkGradients<T>& to,
                               const ChunkOperands<T>& chunk, Stage<T>* stage, Number<T>* sums) {
  using N = Number<T>;
  const ChunkProblem<T>& g = tokens.g;
  const int c = g.rows();
  Each(c, [&](int64_t t) { sums[t] = N(0); });
  __syncthreads();
  for (int64_t first = 0; first < g.value; first += kEdge) {
    if (g.erases()) {
      Product<T> r(stage, c, g.value - first);
      r.Add(g.height(), MatrixRows<T>{chunk.w, g.height(), c},
            Across([&](int v, int64_t i) { return to.saved[i * g.value + first + v]; }));
      r.Each([&](int t, int v, N x) {
        T* at = chunk.u + t * g.value + first + v;
        *at = Narrow<T>(N(x + Widen(*at)));
      });
    }
    Product<T> d(stage, c, g.value - first);
    const auto dr_of = [&](int v, int64_t t) { return Widen(chunk.dr[t * g.value + first + v]); };
    if (g.erases()) {
      d.Add(c, Across([&](int t, int64_t i) { return chunk.inverse[i * c + t]; }), Across(dr_of));
    } else {
      d.Each([&](int t, int v, N& x) { x = dr_of(v, t); });
    }
    d.Each([&](int t, int v, N x) {
      chunk.dr[t * g.value + first + v] = Narrow<T>(x);
      if (t < tokens.count)
        to.dv[tokens.Row(t) * g.value + first + v] = Narrow<T>(N(tokens.WriteScale(t) * x));
    });
    d.RowSums([&](int t, int v, N x) { return x * tokens.At(g.v, t, g.value, first + v); },
              [&](int t, N sum) { sums[t] += sum; });
  }
  __syncthreads();
  to.StoreGates(tokens, to.dwrite_scale, [&](int64_t t) { return sums[t]; });
}

// A block a chunk: the gradients of its tokens.
template <typename T, typename Decay>
__global__ void __launch_bounds__(kProductThreads)
    ChunkBackward(ChunkProblem<T> g, ChunkOperands<T> all, ChunkGradients<T> all_gradients) {
  using N = Number<T>;
  GradientShared<T, Decay> m(SharedMemory<char>(), g);
  const ChunkPlace place(g);
  if (place.count == 0) return;
  const Tokens<T> tokens(g, place);
  const ChunkOperands<T> chunk = all.At(g, place.index);
  const ChunkGradients<T> to = all_gradients.At(g, chunk, place.index);
  const int c = g.rows();
  m.decay.Enter(tokens);
  WritesBackward(tokens, to, chunk, m.stage, m.sums);
  for (int erase = 0; erase <= static_cast<int>(g.erases()); ++erase) {
    Product<T> dtable(m.stage, c, c);
    dtable.Add(g.value, to.DReads(tokens, erase), to.Writes(g));
    dtable.Each(
        [&](int t, int j, N x) { m.dtable[(erase * c + t) * c + j] = j <= t - erase ? x : N(0); });
  }
  __syncthreads();
  m.decay.Backward(tokens, to, m.stage, m.dtable, m.gradients);
}

}  // namespace palimpsest::device

#endif  // KERNELS_DEVICE_CHUNK_BACKWARD_CUH_
