#ifndef KERNELS_GEMM_MIRROR_H_
#define KERNELS_GEMM_MIRROR_H_

#include <algorithm>
#include <cstdint>

#include "core/parallel.h"
#include "kernels/gemm.h"
#include "kernels/gemm_tile.h"

namespace palimpsest::gemm_tile {

// to[rows, cols] = from[cols, rows]^T, with rows of both `ld` apart.
template <typename T>
void MirrorBlock(const T* from, T* to, int64_t rows, int64_t cols, int64_t ld) {
  // By way of a tile: lines as far apart as rows are may all belong in the same place of a cache.
  constexpr int64_t kSide = 32;
  T tile[kSide * kSide];
  const int64_t fours = rows / 4 * 4, depth = cols / 4 * 4;
  for (int64_t j = 0; j < depth; j += 4) {
    for (int64_t i = 0; i < fours; i += 4)
      Transpose4x4(from + j * ld + i, ld, tile + i * kSide + j, kSide);
  }
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = i < fours ? depth : 0; j < cols; ++j) tile[i * kSide + j] = from[j * ld + i];
    std::copy_n(tile + i * kSide, cols, to + i * ld);
  }
}

// Copies what is below the diagonal of each c to above it.
template <typename T>
void Mirror(const GemmArgs& g) {
  constexpr int64_t kSide = 32, kGrain = 1 << 15;
  const int64_t n = g.n, ld = g.c.ld, strips = CeilDiv(n, kSide);
  ParallelFor(g.batch[0] * g.batch[1] * strips, CeilDiv(kGrain, std::max<int64_t>(1, n * kSide)),
              [&](int64_t begin, int64_t end) {
                for (int64_t task = begin; task < end; ++task) {
                  T* c = static_cast<T*>(g.c.data) + GemmOffset(g, g.c, task / strips);
                  const int64_t i = task % strips * kSide, last = std::min(n, i + kSide);
                  for (int64_t r = i; r < last; ++r) {
                    for (int64_t s = r + 1; s < last; ++s) c[r * ld + s] = c[s * ld + r];
                  }
                  for (int64_t j = last; j < n; j += kSide) {
                    MirrorBlock(c + j * ld + i, c + i * ld + j, last - i, std::min(kSide, n - j),
                                ld);
                  }
                }
              });
}

}  // namespace palimpsest::gemm_tile

#endif  // KERNELS_GEMM_MIRROR_H_
