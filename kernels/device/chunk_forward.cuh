#ifndef KERNELS_DEVICE_CHUNK_FORWARD_CUH_
#define KERNELS_DEVICE_CHUNK_FORWARD_CUH_

#include "kernels/device/chunk.cuh"

namespace palimpsest::device {

// Shared memory of PrepareChunks.
template <typename T, typename Decay>
struct PrepareShared {
  using N = Number<T>;
  __host__ __device__ PrepareShared(void* base, const ChunkProblem<T>& g)
      : plan(base),
        stage(plan.Take<Stage<T>>(1)),
        table(plan.Take<N>((g.erases() ? 2 : 1) * g.rows() * g.rows())),
        decay(plan, g.rows()) {}
  SharedPlan plan;
  Stage<T>* stage;
  N* table;  // Of queries, then the inverse; and of erase keys.
  Decay decay;
};

// Q, K and W of a chunk, for key channels from `first` on.
template <typename T, typename Decay>
__device__ void PrepareColumns(const Tokens<T>& tokens, const PrepareShared<T, Decay>& m,
                               const ChunkOperands<T>& to, int64_t first) {
  using N = Number<T>;
  const ChunkProblem<T>& g = tokens.g;
  const int64_t left = g.key - first, columns = left < Decay::kColumns ? left : Decay::kColumns;
  const int c = g.rows();
  for (int s = 0; s < g.states; ++s) {
    const int64_t column = s * g.key + first;
    Each(c * Decay::kColumns, [&](int64_t at) {
      const int64_t t = at / Decay::kColumns, i = at % Decay::kColumns;
      if (i >= columns) return;
      const int64_t to_at = t * g.height() + column + i;
      to.q[to_at] = Narrow<T>(N(tokens.Query(t, first + i) * m.decay.Start(s, t, i)));
      to.k[to_at] = Narrow<T>(N(tokens.Key(t, first + i) * m.decay.End(s, t, i)));
    });
    if (!g.erases()) continue;
    Product<T> w(m.stage, c, columns);
    w.Add(c, MatrixRows<N>{m.table, c, c}, Across([&](int i, int64_t p) {
            return tokens.Erase(p, first + i) * m.decay.Start(s, p - 1, i);
          }));
    w.Each([&](int t, int i, N x) { to.w[t * g.height() + column + i] = Narrow<T>(x); });
  }
}

// U of a chunk.
template <typename T>
__device__ void PrepareValues(const Tokens<T>& tokens, Stage<T>* stage, const Number<T>* inverse,
                              T* u) {
  using N = Number<T>;
  const ChunkProblem<T>& g = tokens.g;
  const int c = g.rows();
  if (!g.erases()) {
    Each(c * g.value,
         [&](int64_t at) { u[at] = Narrow<T>(tokens.Value(at / g.value, at % g.value)); });
    return;
  }
  for (int64_t first = 0; first < g.value; first += kEdge) {
    Product<T> x(stage, c, g.value - first);
    x.Add(c, MatrixRows<N>{inverse, c, c},
          Across([&](int i, int64_t p) { return tokens.Value(p, first + i); }));
    x.Each([&](int t, int i, N x) { u[t * g.value + first + i] = Narrow<T>(x); });
  }
}

// A block a chunk: all that does not depend on the state.
template <typename T, typename Decay>
__global__ void __launch_bounds__(kProductThreads)
    PrepareChunks(ChunkProblem<T> g, ChunkOperands<T> all) {
  PrepareShared<T, Decay> m(SharedMemory<char>(), g);
  const ChunkPlace place(g);
  if (place.count == 0) return;
  const Tokens<T> tokens(g, place);
  const ChunkOperands<T> to = all.At(g, place.index);
  const int c = g.rows();
  m.decay.Enter(tokens);
  m.decay.FillTable(tokens, m.stage, m.table);
  __syncthreads();
  Each(c * c, [&](int64_t i) { to.p[i] = Narrow<T>(m.table[i]); });
  if (g.erases()) {
    __syncthreads();
    InvertUnitLower(m.table + c * c, m.table, c);
    if (to.inverse != nullptr) Each(c * c, [&](int64_t i) { to.inverse[i] = m.table[i]; });
  }
  for (int64_t first = 0; first < g.key; first += Decay::kColumns) {
    m.decay.EnterColumns(tokens, first);
    m.decay.StoreFactors(g, to.f, first);
    PrepareColumns(tokens, m, to, first);
  }
  PrepareValues(tokens, m.stage, m.table, to.u);
}

// A block's value channels, and its states in shared memory: X or its cotangent.
template <typename T>
struct PassShared {
  using N = Number<T>;
  __host__ __device__ PassShared(void* base, const ChunkProblem<T>& g, int block)
      : plan(base),
        stage(plan.Take<Stage<T>>(1)),
        x(plan.Take<N>(g.height() * block)),
        r(plan.Take<N>(g.rows() * block)),
        width(block) {}

  // Between X and the tensors [units, value, key], nullptr for zeros; and of [height, value].
  __device__ void Load(const ChunkProblem<T>& g, const N* states, int s, int64_t first,
                       int values) {
    Each(g.key * values, [&](int64_t at) {
      const int64_t v = at / g.key, i = at % g.key;
      x[(s * g.key + i) * width + v] = states == nullptr ? N(0) : states[(first + v) * g.key + i];
    });
  }
  __device__ void Store(const ChunkProblem<T>& g, N* states, int s, int64_t first,
                        int values) const {
    Each(g.key * values, [&](int64_t at) {
      const int64_t v = at / g.key, i = at % g.key;
      states[(first + v) * g.key + i] = x[(s * g.key + i) * width + v];
    });
  }
  __device__ void Save(const ChunkProblem<T>& g, N* saved, int64_t first, int values) const {
    Each(g.height() * values, [&](int64_t at) {
      const int64_t i = at / values, v = at % values;
      saved[i * g.value + first + v] = x[i * width + v];
    });
  }

  SharedPlan plan;
  Stage<T>* stage;
  N *x, *r;  // [height, width], [C, width]
  int width;
};

// The value channels of a block of the pass.
struct ValueBlock {
  __device__ ValueBlock(int64_t value, int width) {
    const int64_t blocks = (value + width - 1) / width;
    unit = blockIdx.x / blocks;
    first = blockIdx.x % blocks * width;
    values = static_cast<int>(value - first < width ? value - first : width);
  }
  int64_t unit, first;
  int values;
};

template <typename T>
struct PassOutputs {
  T* y;
  Number<T>*last_state, *last_momentum, *saved;
};

// A block for each head and some value channels, chunk after chunk.
template <typename T>
__global__ void __launch_bounds__(kProductThreads)
    ForwardPass(ChunkProblem<T> g, ChunkOperands<T> all, PassOutputs<T> out, int width) {
  using N = Number<T>;
  PassShared<T> m(SharedMemory<char>(), g, width);
  const ValueBlock block(g.value, width);
  const int64_t state = block.unit * g.value * g.key, height = g.height();
  const int c = g.rows();
  const auto offset = [state](auto* x) { return x == nullptr ? x : x + state; };
  m.Load(g, offset(g.state), 0, block.first, block.values);
  if (g.states == 2) m.Load(g, offset(g.momentum), 1, block.first, block.values);
  const int64_t chunks = Extent(g, block.unit / g.heads).chunks;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const ChunkPlace place(g, block.unit, chunk);
    const Tokens<T> tokens(g, place);
    const ChunkOperands<T> from = all.At(g, place.index);
    const auto x_of = Across([&](int v, int64_t i) { return m.x[i * width + v]; });
    const auto r_of = Across([&](int v, int64_t t) { return m.r[t * width + v]; });
    __syncthreads();
    if (out.saved != nullptr)
      m.Save(g, out.saved + place.index * height * g.value, block.first, block.values);
    Product<T, true> r(m.stage, c, block.values);
    if (g.erases()) {
      r.Add(height, MatrixRows<T>{from.w, height, c}, x_of);
    }
    r.Each([&](int t, int v, N x) {
      m.r[t * width + v] = x + Widen(from.u[t * g.value + block.first + v]);
    });
    Product<T, true> y(m.stage, c, block.values);
    y.Add(height, MatrixRows<T>{from.q, height, c}, x_of);
    y.Add(c, MatrixRows<T>{from.p, c, c}, r_of);
    y.Each([&](int t, int v, N x) {
      if (t < tokens.count) out.y[tokens.Row(t) * g.value + block.first + v] = Narrow<T>(x);
    });
    for (int s = 0; s < g.states; ++s) {
      for (int64_t i0 = 0; i0 < g.key; i0 += kEdge) {
        Product<T, true> next(m.stage, g.key - i0, block.values);
        const T* keys = from.k + s * g.key + i0;
        next.Add(c, Across([&](int i, int64_t t) { return Widen(keys[t * height + i]); }), r_of);
        next.Each([&](int i, int v, N x) {
          N* at = m.x + (i0 + i) * width + v;
          N* momentum = at + g.key * width;
          if (s == 1) {
            *momentum = from.f[2] * *momentum + x;
          } else {
            *at = from.f[g.channels ? i0 + i : 0] * *at + x;
            if (g.states == 2) *at += from.f[1] * *momentum;
          }
        });
      }
    }
  }
  __syncthreads();
  m.Store(g, out.last_state + state, 0, block.first, block.values);
  if (g.states == 2) m.Store(g, out.last_momentum + state, 1, block.first, block.values);
}

}  // namespace palimpsest::device

#endif  // KERNELS_DEVICE_CHUNK_FORWARD_CUH_
