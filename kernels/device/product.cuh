#ifndef KERNELS_DEVICE_PRODUCT_CUH_
#define KERNELS_DEVICE_PRODUCT_CUH_

#include <cstdint>
#include <type_traits>

#include "kernels/device/map.cuh"
#include "kernels/device/mma.cuh"

// Products of matrices within a block, on tensor cores for bf16. An operand is a function, so that
// scales, masks, transposes and where it lies cost no pass of their own.
namespace palimpsest::device {

inline constexpr int kProductThreads = 128;
inline constexpr int kEdge = 64;  // Rows and columns of the result, at most.
// Of the sum, taken at once.
template <typename T>
inline constexpr int kDepth = sizeof(T) == 8 ? 16 : 32;
// Rows of a staged operand are so far apart that the lanes of a warp find theirs in different
// banks.
template <typename T>
inline constexpr int kPitch = kDepth<T> + (sizeof(T) == 2 ? 8 : 1);

template <typename T>
struct alignas(16) Stage {
  T a[kEdge * kPitch<T>], b[kEdge * kPitch<T>];
};

// at(i, p): element p of the sum's operand for row (or column) i of the result. Neighbours in
// memory are neighbours in p, or in i.
template <bool kIsAlongDepth, typename F>
struct Operand {
  static constexpr bool kAlongDepth = kIsAlongDepth;
  F at;
};
template <typename F>
__device__ Operand<true, F> Along(F at) {
  return {at};
}
template <typename F>
__device__ Operand<false, F> Across(F at) {
  return {at};
}

// Rows of a matrix in memory, `stride` elements apart, the first `rows` of them; zeros below. Moved
// 16 bytes at once where that is how they lie.
template <typename E>
struct MatrixRows {
  const E* base;
  int64_t stride, rows;

  __device__ bool Aligned() const {
    return reinterpret_cast<uintptr_t>(base) % 16 == 0 && stride * sizeof(E) % 16 == 0;
  }
};

// A step of the sum: elements [p, p + count) for the first `rows` of an operand.
struct Step {
  int64_t p;
  int count, rows;
};

// What a thread moves of an operand for a step: Load what is worth holding in registers, then Store
// to the stage [kEdge, kPitch], of which `padded` rows are filled.
template <typename T, typename Source>
struct Share;

template <typename T, bool kAlongDepth, typename F>
struct Share<T, Operand<kAlongDepth, F>> {
  __device__ void Load(const Operand<kAlongDepth, F>&, Step) {}
  __device__ void Store(const Operand<kAlongDepth, F>& from, Step step, T* to, int padded) const {
    using N = Number<T>;
    for (int at = static_cast<int>(threadIdx.x); at < kEdge * kDepth<T>; at += kProductThreads) {
      const int i = kAlongDepth ? at / kDepth<T> : at % kEdge;
      const int k = kAlongDepth ? at % kDepth<T> : at / kEdge;
      if (i >= padded) continue;
      const bool within = i < step.rows && k < step.count;
      to[i * kPitch<T> + k] = Narrow<T>(within ? N(from.at(i, step.p + k)) : N(0));
    }
  }
};

template <typename T, typename E>
struct Share<T, MatrixRows<E>> {
  static constexpr int kPack = 16 / sizeof(E), kPacks = kDepth<T> / kPack;
  static constexpr int kCount = kEdge * kPacks / kProductThreads;
  Pack<E> held[kCount];

  __device__ static int Row(int n) {
    return (static_cast<int>(threadIdx.x) + n * kProductThreads) / kPacks;
  }
  __device__ static int Column(int n) {
    return (static_cast<int>(threadIdx.x) + n * kProductThreads) % kPacks * kPack;
  }
  __device__ void Load(const MatrixRows<E>& from, Step step) {
    const bool aligned = from.Aligned();
#pragma unroll
    for (int n = 0; n < kCount; ++n) {
      const int i = Row(n), k = Column(n),
                left = i < step.rows && i < from.rows ? step.count - k : 0;
      const E* at = from.base + i * from.stride + step.p + k;
      if (left >= kPack && aligned) {
        held[n] = *reinterpret_cast<const Pack<E>*>(at);
      } else {
#pragma unroll
        for (int j = 0; j < kPack; ++j) held[n].at[j] = j < left ? at[j] : Narrow<E>(Number<E>(0));
      }
    }
  }
  __device__ void Store(const MatrixRows<E>&, Step, T* to, int padded) const {
#pragma unroll
    for (int n = 0; n < kCount; ++n) {
      if (Row(n) >= padded) continue;
      T* at = to + Row(n) * kPitch<T> + Column(n);
      if constexpr (std::is_same_v<T, E> && kPitch<T> % kPack == 0) {
        *reinterpret_cast<Pack<E>*>(at) = held[n];
      } else {
#pragma unroll
        for (int j = 0; j < kPack; ++j) at[j] = Narrow<T>(Number<T>(Widen(held[n].at[j])));
      }
    }
  }
};

// A tile of at most 64 x 64, in the registers of a block's 128 threads as mma lays it out: a warp
// has 16 rows. kAhead: operands are loaded a step ahead, for kernels with few blocks, which wait
// for memory rather than for registers.
template <typename T, bool kAhead = false>
class Product {
 public:
  using N = Number<T>;

  __device__ Product(Stage<T>* stage, int64_t rows, int64_t cols)
      : stage_(stage),
        rows_(static_cast<int>(rows < kEdge ? rows : kEdge)),
        cols_(static_cast<int>(cols < kEdge ? cols : kEdge)) {
    Clear();
  }
  __device__ void Clear() {
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) x_[n][i] = N(0);
    }
  }

  // x_ij += sum over p < depth of a(i, p) b(j, p), in ascending order. All threads of the block;
  // what they wrote before is seen.
  template <typename A, typename B>
  __device__ void Add(int64_t depth, A a, B b) {
    Share<T, A> left;
    Share<T, B> right;
    const auto step = [depth](int64_t p, int rows) {
      return Step{p, static_cast<int>(depth - p < kDepth<T> ? depth - p : kDepth<T>), rows};
    };
    const auto load = [&](int64_t p) {
      left.Load(a, step(p, rows_));
      right.Load(b, step(p, cols_));
    };
    for (int64_t p = 0; p < depth; p += kDepth<T>) {
      __syncthreads();
      if (!kAhead || p == 0) load(p);
      left.Store(a, step(p, rows_), stage_->a, (rows_ + 15) / 16 * 16);
      right.Store(b, step(p, cols_), stage_->b, (cols_ + 7) / 8 * 8);
      __syncthreads();
      if (kAhead && p + kDepth<T> < depth) load(p + kDepth<T>);
      if (Row(0) - Group() >= rows_) continue;  // All of the warp.
      if constexpr (std::is_same_v<T, __nv_bfloat16>) {
        MultiplyPairs(step(p, 0).count);
      } else {
        Multiply(step(p, 0).count);
      }
    }
  }

  // f(i, j, x_ij), which may change x_ij.
  template <typename F>
  __device__ void Each(F f) {
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int row = Row(i / 2), col = Col(n, i % 2);
        if (row < rows_ && col < cols_) f(row, col, x_[n][i]);
      }
    }
  }

  // to(i, sum over j of f(i, j, x_ij)), in a fixed order, once for a row. Whole warps.
  template <typename F, typename To>
  __device__ void RowSums(F f, To to) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      N sum = N(0);
#pragma unroll
      for (int n = 0; n < kTiles; ++n) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const int row = Row(half), col = Col(n, i);
          if (row < rows_ && col < cols_) sum += f(row, col, x_[n][2 * half + i]);
        }
      }
      sum += __shfl_xor_sync(0xffffffffu, sum, 1);
      sum += __shfl_xor_sync(0xffffffffu, sum, 2);
      if (Row(half) < rows_ && threadIdx.x % 4 == 0) to(Row(half), sum);
    }
  }

  // x_ij = f(i, j, x_ij, other's), which has the same shape.
  template <typename F>
  __device__ void Merge(const Product& other, F f) {
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int row = Row(i / 2), col = Col(n, i % 2);
        if (row < rows_ && col < cols_) x_[n][i] = f(row, col, x_[n][i], other.x_[n][i]);
      }
    }
  }

 private:
  static constexpr int kTiles = kEdge / 8;

  __device__ static int Group() { return threadIdx.x % 32 / 4; }
  __device__ static int Row(int half) {
    return static_cast<int>(threadIdx.x / 32 * 16) + Group() + 8 * half;
  }
  __device__ static int Col(int n, int i) {
    return 8 * n + 2 * static_cast<int>(threadIdx.x % 4) + i;
  }

  __device__ void Multiply(int count) {
    const T *a = stage_->a + Row(0) * kPitch<T>, *b = stage_->b + Col(0, 0) * kPitch<T>;
    for (int p = 0; p < count; ++p) {
      const N upper = a[p], lower = a[8 * kPitch<T> + p];
#pragma unroll
      for (int n = 0; n < kTiles; ++n) {
        if (8 * n >= cols_) continue;
        const N left = b[8 * n * kPitch<T> + p], right = b[(8 * n + 1) * kPitch<T> + p];
        x_[n][0] += upper * left;
        x_[n][1] += upper * right;
        x_[n][2] += lower * left;
        x_[n][3] += lower * right;
      }
    }
  }

  __device__ void MultiplyPairs(int count) {
    const int pair = 2 * static_cast<int>(threadIdx.x % 4);
    const T* a = stage_->a + Row(0) * kPitch<T> + pair;
    const T* b = stage_->b + Group() * kPitch<T> + pair;
#pragma unroll
    for (int p = 0; p < kDepth<T>; p += 16) {
      if (p >= count) continue;
      const uint32_t left[4] = {PairAt(a + p), PairAt(a + 8 * kPitch<T> + p), PairAt(a + p + 8),
                                PairAt(a + 8 * kPitch<T> + p + 8)};
#pragma unroll
      for (int n = 0; n < kTiles; ++n) {
        if (8 * n >= cols_) continue;
        const T* column = b + 8 * n * kPitch<T> + p;
        const uint32_t right[2] = {PairAt(column), PairAt(column + 8)};
        MmaM16N8K16(x_[n], left, right);
      }
    }
  }

  Stage<T>* stage_;
  int rows_, cols_;
  N x_[kTiles][4];
};

}  // namespace palimpsest::device

#endif  // KERNELS_DEVICE_PRODUCT_CUH_
