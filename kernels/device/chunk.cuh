#ifndef KERNELS_DEVICE_CHUNK_CUH_
#define KERNELS_DEVICE_CHUNK_CUH_

#include <cstddef>
#include <cstdint>

#include "kernels/device/product.cuh"
#include "kernels/device/shared.cuh"

// The linear recurrence by chunks. The states of a head, transposed and one above the other, are
// X [height = states * key, value]. With C tokens of a chunk as rows, padded to a multiple of 16:
//   R  = U + W X              what each token writes,
//   Y  = Q X + P R            what queries read,
//   X' = F X + K^T R          the states after,
// where Q and K are the queries and keys with the decays between them and the chunk's start or end,
// P [C, C] is lower triangular, F the decay over the whole chunk, and of the erase keys E and the
// strictly lower triangle L of what they read of the chunk's own writes
//   W = (I - L)^{-1} E,   U = (I - L)^{-1} write_scale V
// (Yang et al. 2024, "Gated Delta Networks"). All but X is known of each chunk by itself.
namespace palimpsest::device {

template <typename T>
struct ChunkProblem {
  using N = Number<T>;

  int64_t batch, time, heads, key, value, chunk;
  int states;
  bool channels;  // Keep is a number for each key channel.
  const T *q, *k, *v, *e;
  const N *erase_scale, *write_scale, *log_keep, *log_eta, *beta, *state, *momentum;
  const int64_t* starts;  // Of packed sequences, [batch + 1]; nullptr: each is `time` long.

  __host__ __device__ int64_t units() const { return batch * heads; }
  // Room for the chunks of all heads, some of which packed sequences leave empty.
  __host__ __device__ int64_t places() const {
    return heads *
           (starts == nullptr ? batch * ((time + chunk - 1) / chunk) : time / chunk + batch);
  }
  __host__ __device__ int64_t height() const { return states * key; }
  __host__ __device__ int rows() const { return static_cast<int>((chunk + 15) / 16 * 16); }
  __host__ __device__ bool erases() const { return e != nullptr; }
  // Numbers that F is made of: one for each channel, or those of the NumberDecay.
  __host__ __device__ int64_t factors() const { return channels ? key : 3; }
};

// What is known of each chunk, [places, ...].
template <typename T>
struct ChunkOperands {
  using N = Number<T>;
  T *q, *k, *w;  // [C, height]
  T* u;          // [C, value]
  T* p;          // [C, C]
  N* f;          // [factors]
  N* inverse;    // [C, C]; nullptr: not wanted.
  T* dr;         // [C, value], for gradients.

  // Those of one chunk.
  __device__ ChunkOperands At(const ChunkProblem<T>& g, int64_t i) const {
    const int64_t c = g.rows();
    const auto at = [i](auto* all, int64_t size) { return all == nullptr ? all : all + i * size; };
    return {at(q, c * g.height()), at(k, c * g.height()), at(w, c * g.height()),
            at(u, c * g.value),    at(p, c * c),          at(f, g.factors()),
            at(inverse, c * c),    at(dr, c * g.value)};
  }
};

// Where the tokens and the chunks of a sequence are.
struct Extent {
  template <typename T>
  __device__ Extent(const ChunkProblem<T>& g, int64_t sequence)
      : begin(g.starts == nullptr ? sequence * g.time : g.starts[sequence]),
        tokens(g.starts == nullptr ? g.time : g.starts[sequence + 1] - begin),
        chunks((tokens + g.chunk - 1) / g.chunk),
        places(g.starts == nullptr ? sequence * chunks : begin / g.chunk + sequence) {}
  int64_t begin, tokens, chunks;
  int64_t places;  // Of one head in the sequences before, used or not.
};

// A chunk of a head.
struct ChunkPlace {
  // Of a head's chunk by its number, counted from the sequence's first.
  template <typename T>
  __device__ ChunkPlace(const ChunkProblem<T>& g, int64_t unit, int64_t chunk)
      : ChunkPlace(g, Extent(g, unit / g.heads), unit % g.heads, chunk) {}
  // The block's own, of a grid of all places; no tokens where the place is empty.
  template <typename T>
  __device__ explicit ChunkPlace(const ChunkProblem<T>& g) {
    int64_t low = 0, high = g.batch;  // The last sequence that begins at or before the block.
    while (high - low > 1) {
      const int64_t middle = (low + high) / 2;
      (Extent(g, middle).places * g.heads <= blockIdx.x ? low : high) = middle;
    }
    const Extent extent(g, low);
    const int64_t place = blockIdx.x - extent.places * g.heads;
    const bool used = place < extent.chunks * g.heads;
    *this = ChunkPlace(g, extent, used ? place / extent.chunks : 0,
                       used ? place % extent.chunks : extent.chunks);
    if (!used) count = 0;
  }

  int64_t index;  // Among all places.
  int64_t first;  // Of the first token, among the tokens of all heads.
  int count;      // Tokens.

 private:
  template <typename T>
  __device__ ChunkPlace(const ChunkProblem<T>& g, const Extent& extent, int64_t head, int64_t chunk)
      : index(extent.places * g.heads + head * extent.chunks + chunk),
        first((extent.begin + chunk * g.chunk) * g.heads + head) {
    const int64_t left = extent.tokens - chunk * g.chunk;
    count = static_cast<int>(left < g.chunk ? left : g.chunk);
  }
};

// The tokens of a chunk of a head; zeros past the last.
template <typename T>
class Tokens {
 public:
  using N = Number<T>;
  __device__ Tokens(const ChunkProblem<T>& problem, const ChunkPlace& place)
      : g(problem), count(place.count), first_(place.first) {}
  // Of a token among all tokens and heads.
  __device__ int64_t Row(int64_t t) const { return first_ + t * g.heads; }

  __device__ MatrixRows<T> Rows(const T* rows, int64_t width) const {
    return {rows + first_ * width, g.heads * width, count};
  }
  __device__ MatrixRows<T> Keys() const { return Rows(g.k, g.key); }

  __device__ N Query(int64_t t, int64_t i) const { return At(g.q, t, g.key, i); }
  __device__ N Key(int64_t t, int64_t i) const { return At(g.k, t, g.key, i); }
  __device__ N Erase(int64_t t, int64_t i) const {
    return t < count ? EraseScale(t) * Widen(g.e[Row(t) * g.key + i]) : N(0);
  }
  // Query of a token or, for erase 1, its erase key.
  __device__ N Read(int erase, int64_t t, int64_t i) const {
    return erase == 0 ? Query(t, i) : Erase(t, i);
  }
  __device__ N Value(int64_t t, int64_t i) const {
    return t < count ? WriteScale(t) * Widen(g.v[Row(t) * g.value + i]) : N(0);
  }
  __device__ N At(const T* rows, int64_t t, int64_t width, int64_t i) const {
    return t < count ? Widen(rows[Row(t) * width + i]) : N(0);
  }
  __device__ N Gate(const N* gates, int64_t t, N otherwise) const {
    return gates == nullptr ? otherwise : gates[Row(t)];
  }
  __device__ N EraseScale(int64_t t) const { return -Gate(g.erase_scale, t, N(1)); }
  __device__ N WriteScale(int64_t t) const { return Gate(g.write_scale, t, N(1)); }

  const ChunkProblem<T>& g;
  const int count;

 private:
  const int64_t first_;
};

// Parts of the block's shared memory, one after another; on the host, how much that is.
class SharedPlan {
 public:
  __host__ __device__ explicit SharedPlan(void* base) : at_(reinterpret_cast<uintptr_t>(base)) {}
  template <typename T>
  __host__ __device__ T* Take(int64_t n) {
    const uintptr_t at = at_;
    at_ += (n * sizeof(T) + 15) / 16 * 16;
    return reinterpret_cast<T*>(at);
  }
  __host__ __device__ size_t end() const { return at_; }

 private:
  uintptr_t at_;
};

// f(i) for i < n, by the block's threads.
template <typename F>
__device__ void Each(int64_t n, F f) {
  for (int64_t i = threadIdx.x; i < n; i += blockDim.x) f(i);
}

// inverse = (I - L)^{-1} for the strictly lower triangle L of l, both [n, n] for n a multiple of 16
// up to 64: by columns within the blocks of 16 on the diagonal, then a row of blocks after another.
// Ends with a barrier.
template <typename N>
__device__ void InvertUnitLower(const N* l, N* inverse, int n) {
  constexpr int kBlock = 16;
  const int thread = static_cast<int>(threadIdx.x);
  Each(n * n, [&](int64_t i) { inverse[i] = N(0); });
  __syncthreads();
  if (thread < n) {
    const int first = thread / kBlock * kBlock, column = thread;
    inverse[column * n + column] = N(1);
    for (int i = column + 1; i < first + kBlock; ++i) {
      N sum = N(0);
      for (int j = column; j < i; ++j) sum += l[i * n + j] * inverse[j * n + column];
      inverse[i * n + column] = sum;
    }
  }
  for (int first = kBlock; first < n; first += kBlock) {
    __syncthreads();
    Each(kBlock * first, [&](int64_t at) {
      const int i = first + static_cast<int>(at) / first, column = static_cast<int>(at) % first;
      N sum = N(0);
      for (int j = column / kBlock * kBlock; j < first; ++j)
        sum += l[i * n + j] * inverse[j * n + column];
      inverse[i * n + column] = sum;
    });
    __syncthreads();
    if (thread < first) {
      N product[kBlock];
#pragma unroll
      for (int i = 0; i < kBlock; ++i) {
        product[i] = N(0);
#pragma unroll
        for (int j = 0; j <= i; ++j) {
          product[i] += inverse[(first + i) * n + first + j] * inverse[(first + j) * n + thread];
        }
      }
#pragma unroll
      for (int i = 0; i < kBlock; ++i) inverse[(first + i) * n + thread] = product[i];
    }
  }
  __syncthreads();
}

}  // namespace palimpsest::device

#endif  // KERNELS_DEVICE_CHUNK_CUH_
