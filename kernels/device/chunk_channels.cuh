#ifndef KERNELS_DEVICE_CHUNK_CHANNELS_CUH_
#define KERNELS_DEVICE_CHUNK_CHANNELS_CUH_

#include "kernels/device/chunk.cuh"
#include "kernels/device/chunk_gradients.cuh"

namespace palimpsest::device {

// How a state decays over a chunk where keep is a number per key channel (Kimi Team 2025, "Kimi
// Linear"). What a token of one tile of 16 reads of the writes of earlier tiles is a product: the
// keys as they have decayed to the tile's start, the reads as they decay from it. Within a tile
// keys are carried from token to token. Products of factors only, so any keep is safe.
template <typename T>
class ChannelDecay {
 public:
  using N = Number<T>;
  static constexpr int kColumns = 32;  // Key channels taken at once.
  static constexpr int kTile = 16;     // Tokens.

  __host__ __device__ ChannelDecay(SharedPlan& plan, int rows) : n_(rows) {
    for (N** each : {&keep_, &local_, &end_}) *each = plan.Take<N>(n_ * kWidth);
    start_ = plan.Take<N>((n_ + 1) * kWidth);
  }
  // What Backward needs beside.
  struct Gradients {
    __host__ __device__ Gradients(SharedPlan& plan, int rows) {
      dread = plan.Take<N>(2 * rows * kWidth);
      dkey = plan.Take<N>(rows * kWidth);
      tiles = rows / kTile;
      through = plan.Take<N>(tiles * tiles * kColumns);
      derase = plan.Take<N>(rows);
    }
    // What goes through all of a tile, times its cotangent, from an earlier tile's writes or, for
    // from == tile, from the state.
    __device__ N& Through(int tile, int from, int64_t i) const {
      return through[(tile * tiles + from) * kColumns + i];
    }
    int tiles;
    N* dread;    // Of queries and, after them, erase keys: [2 C, columns].
    N* dkey;     // [C, columns]
    N* through;  // [tiles, tiles, columns]
    N* derase;   // [C]
  };

  __device__ void Enter(const Tokens<T>&) {}
  // For key channels from `first`; ends with a barrier.
  __device__ void EnterColumns(const Tokens<T>& tokens, int64_t first) {
    FillKeeps(tokens, first);
    Carry(n_ / kTile);
  }
  // How much of the state before the chunk is in M_t, for a column.
  __device__ N Start(int, int64_t t, int64_t i) const { return start_[(t + 1) * kWidth + i]; }
  // How much of token j's write is in the state after the chunk.
  __device__ N End(int, int64_t j, int64_t i) const { return end_[j * kWidth + i]; }

  __device__ void StoreFactors(const ChunkProblem<T>& g, N* f, int64_t first) const {
    Each(Columns(g, first), [&](int64_t i) { f[first + i] = Start(0, n_ - 1, i); });
  }

  // table [reads * C, C]: what queries and, under them, erase keys read of the tokens' writes.
  __device__ void FillTable(const Tokens<T>& tokens, Stage<T>* stage, N* table) {
    const ChunkProblem<T>& g = tokens.g;
    Each(Reads(g) * n_ * n_, [&](int64_t i) { table[i] = N(0); });
    for (int64_t first = 0; first < g.key; first += kColumns) {
      FillKeeps(tokens, first);
      for (int tile = 0; tile < n_ / kTile; ++tile) {
        if (tile > 0) {
          Carry(tile);
          ReadEarlierTiles(tokens, first, tile, stage, table);
        }
        ReadOwnTile(tokens, first, tile, table);
      }
    }
  }

  // From the cotangents dtable of the table, of what the reads read of X before the chunk (rows dy
  // and d) and of what is written into X after it (rows r): chunk_channels_backward.cuh.
  __device__ void Backward(const Tokens<T>& tokens, const ChunkGradients<T>& to, Stage<T>* stage,
                           N* dtable, Gradients d);

 private:
  static constexpr int kWidth = kColumns + 1;  // So that a column's elements lie in many banks.

  __device__ static int Reads(const ChunkProblem<T>& g) { return g.erases() ? 2 : 1; }
  __device__ static int64_t Columns(const ChunkProblem<T>& g, int64_t first) {
    return g.key - first < kColumns ? g.key - first : kColumns;
  }

  // Past the last token nothing decays. Ends with a barrier.
  __device__ void FillKeeps(const Tokens<T>& tokens, int64_t first) {
    const ChunkProblem<T>& g = tokens.g;
    __syncthreads();
    Each(n_ * kColumns, [&](int64_t at) {
      const int64_t t = at / kColumns, i = at % kColumns;
      const bool decays = t < tokens.count && first + i < g.key && g.log_keep != nullptr;
      keep_[t * kWidth + i] = decays ? exp(g.log_keep[tokens.Row(t) * g.key + first + i]) : N(1);
    });
    __syncthreads();
    const int i = static_cast<int>(threadIdx.x) % kColumns;
    const bool local = threadIdx.x / kColumns == 1;
    if (local || threadIdx.x / kColumns == 0) {
      N product = N(1);
      if (!local) start_[i] = product;
      for (int t = 0; t < n_; ++t) {
        const N keep = keep_[t * kWidth + i];
        product = local && t % kTile == 0 ? keep : product * keep;
        (local ? local_ : start_ + kWidth)[t * kWidth + i] = product;
      }
    }
    __syncthreads();
  }

  // Makes end_ how much of the writes of the tiles before this one is left at its start. Ends with
  // a barrier.
  __device__ void Carry(int tile) const {
    __syncthreads();
    Each(tile * kTile * kColumns, [&](int64_t at) {
      const int j = static_cast<int>(at) / kColumns, i = static_cast<int>(at) % kColumns;
      const int next = (j / kTile + 1) * kTile;
      N left = N(1);
      for (int t = j + 1; t < next; ++t) left *= keep_[t * kWidth + i];
#pragma unroll 1  // Three at most, which would take registers.
      for (int t = next; t < tile * kTile; t += kTile) left *= local_[(t + kTile - 1) * kWidth + i];
      end_[j * kWidth + i] = left;
    });
    __syncthreads();
  }

  // Row r of a tile's reads: its 16 queries and, after them, its erase keys.
  struct Read {
    int erase, t;
  };
  __device__ static Read ReadOf(int tile, int r) { return {r / kTile, tile * kTile + r % kTile}; }
  __device__ N* RowOf(N* rows, Read read, int width) const {
    return rows + (read.erase * n_ + read.t) * width;
  }
  // What is left at the read's token of what there was at its tile's start.
  __device__ N Local(Read read, int i) const {
    return read.erase == 1 && read.t % kTile == 0 ? N(1)
                                                  : local_[(read.t - read.erase) * kWidth + i];
  }

  __device__ void ReadEarlierTiles(const Tokens<T>& tokens, int64_t first, int tile,
                                   Stage<T>* stage, N* table) const {
    Product<T> sum(stage, Reads(tokens.g) * kTile, tile * kTile);
    sum.Add(
        Columns(tokens.g, first), Along([&](int r, int64_t i) {
          const Read read = ReadOf(tile, r);
          return tokens.Read(read.erase, read.t, first + i) * Local(read, static_cast<int>(i));
        }),
        Along([&](int j, int64_t i) { return tokens.Key(j, first + i) * end_[j * kWidth + i]; }));
    sum.Each([&](int r, int j, N x) { RowOf(table, ReadOf(tile, r), n_)[j] += x; });
  }

  // Eight threads a key, each with some of the columns.
  __device__ void ReadOwnTile(const Tokens<T>& tokens, int64_t first, int tile, N* table) const {
    constexpr int kThreadsOfKey = kProductThreads / kTile;
    const ChunkProblem<T>& g = tokens.g;
    const int j = static_cast<int>(threadIdx.x) / kThreadsOfKey,
              lane = static_cast<int>(threadIdx.x) % kThreadsOfKey, begin = tile * kTile;
    N queried[kTile] = {}, erased[kTile] = {};
    for (int i = lane; i < Columns(g, first); i += kThreadsOfKey) {
      N key = tokens.Key(begin + j, first + i);
#pragma unroll
      for (int t = 0; t < kTile; ++t) {
        if (t < j) continue;
        if (t > j) {
          if (g.erases()) erased[t] += tokens.Erase(begin + t, first + i) * key;
          key *= keep_[(begin + t) * kWidth + i];
        }
        queried[t] += tokens.Query(begin + t, first + i) * key;
      }
    }
#pragma unroll
    for (int t = 0; t < kTile; ++t) {
#pragma unroll
      for (int by = 1; by < kThreadsOfKey; by *= 2) {
        queried[t] += __shfl_xor_sync(0xffffffffu, queried[t], by);
        erased[t] += __shfl_xor_sync(0xffffffffu, erased[t], by);
      }
      if (lane != 0) continue;
      table[(begin + t) * n_ + begin + j] += queried[t];
      if (g.erases()) table[(n_ + begin + t) * n_ + begin + j] += erased[t];
    }
  }

  __device__ void StatesBackward(const Tokens<T>& tokens, const ChunkGradients<T>& to,
                                 Stage<T>* stage, Gradients& d, int64_t first) const;
  __device__ void StateThrough(const Tokens<T>& tokens, const ChunkGradients<T>& to, Gradients& d,
                               int64_t first) const;
  __device__ void KeysThrough(const Tokens<T>& tokens, int64_t first, int tile, Gradients& d) const;
  __device__ void EarlierTilesBackward(const Tokens<T>& tokens, int64_t first, int tile,
                                       Stage<T>* stage, N* dtable, Gradients& d) const;
  __device__ void FlowOfEarlierTiles(const Tokens<T>& tokens, int64_t first, Gradients& d) const;
  __device__ void OwnTileBackward(const Tokens<T>& tokens, int64_t first, const N* dtable,
                                  Gradients& d) const;
  __device__ void StoreColumns(const Tokens<T>& tokens, const ChunkGradients<T>& to, int64_t first,
                               const N* dtable, Gradients& d) const;
  // What goes through a keep, times its cotangent: in the place of end_, of no more use then.
  __device__ N& Flow(int64_t t, int64_t i) const { return end_[t * kWidth + i]; }

  int n_;
  N *keep_, *local_, *end_;  // [C, columns]
  N* start_;                 // [C + 1, columns], from t = -1.
};

}  // namespace palimpsest::device

#endif  // KERNELS_DEVICE_CHUNK_CHANNELS_CUH_
