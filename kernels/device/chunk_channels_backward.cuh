#ifndef KERNELS_DEVICE_CHUNK_CHANNELS_BACKWARD_CUH_
#define KERNELS_DEVICE_CHUNK_CHANNELS_BACKWARD_CUH_

#include "kernels/device/chunk_channels.cuh"

// The gradients of a chunk whose keeps are numbers per key channel. What a keep gets is what flows
// through it: every write before it times what reads at it or later, and the state after the chunk,
// make of it. That is summed and never subtracted, so a keep near 0 has all its digits. Of the
// tile that a keep is in,
//   what goes from before the tile to after it is Gradients::through,
//   from before it to its reads, and from its writes to after it, FlowOfEarlierTiles,
//   from its writes to its reads, OwnTileBackward.
namespace palimpsest::device {

template <typename T>
__device__ void ChannelDecay<T>::Backward(const Tokens<T>& tokens, const ChunkGradients<T>& to,
                                          Stage<T>* stage, N* dtable, Gradients d) {
  const ChunkProblem<T>& g = tokens.g;
  Each(n_, [&](int64_t t) { d.derase[t] = N(0); });
  for (int64_t first = 0; first < g.key; first += kColumns) {
    EnterColumns(tokens, first);
    StatesBackward(tokens, to, stage, d, first);
    for (int tile = d.tiles - 1; tile > 0; --tile) {
      Carry(tile);
      KeysThrough(tokens, first, tile, d);
      EarlierTilesBackward(tokens, first, tile, stage, dtable, d);
    }
    __syncthreads();
    FlowOfEarlierTiles(tokens, first, d);
    OwnTileBackward(tokens, first, dtable, d);
    __syncthreads();
    StoreColumns(tokens, to, first, dtable, d);
    __syncthreads();
  }
  to.StoreGates(tokens, to.derase_scale, [&](int64_t t) { return -d.derase[t]; });
}

// The parts of d that come from the states. Ends with a barrier.
template <typename T>
__device__ void ChannelDecay<T>::StatesBackward(const Tokens<T>& tokens,
                                                const ChunkGradients<T>& to, Stage<T>* stage,
                                                Gradients& d, int64_t first) const {
  const ChunkProblem<T>& g = tokens.g;
  const int64_t columns = Columns(g, first);
  // Reads and, last, keys: written once, they take registers once.
#pragma unroll 1
  for (int part = 0; part <= Reads(g); ++part) {
    const bool read = part < Reads(g);
    Product<T> sum(stage, n_, columns);
    const N* states = (read ? to.saved : to.dsaved) + first * g.value;
    sum.Add(g.value, read ? to.DReads(tokens, part) : to.Writes(g),
            MatrixRows<N>{states, g.value, g.key - first});
    sum.Each([&](int t, int i, N x) {
      (read ? d.dread + part * n_ * kWidth : d.dkey)[t * kWidth + i] =
          x * (read ? Start(0, t - part, i) : End(0, t, i));
    });
  }
  StateThrough(tokens, to, d, first);
}

// What of the state before the chunk goes through tiles to the state after it and to later reads,
// of which d has so far no more than that.
template <typename T>
__device__ void ChannelDecay<T>::StateThrough(const Tokens<T>& tokens, const ChunkGradients<T>& to,
                                              Gradients& d, int64_t first) const {
  const ChunkProblem<T>& g = tokens.g;
  const int64_t columns = Columns(g, first);
  const int last = d.tiles - 1;
  for (int64_t i = threadIdx.x / kWarp; i < columns; i += kProductThreads / kWarp) {
    const N *x = to.saved + (first + i) * g.value, *dx = to.dsaved + (first + i) * g.value;
    N sum = N(0);
    for (int64_t v = threadIdx.x % kWarp; v < g.value; v += kWarp) sum += x[v] * dx[v];
    sum = WarpReduce(sum, Plus());
    if (threadIdx.x % kWarp == 0) d.Through(last, last, i) = sum * Start(0, n_ - 1, i);
  }
  __syncthreads();
  Each(last * kColumns, [&](int64_t at) {
    const int tile = static_cast<int>(at) / kColumns, i = static_cast<int>(at) % kColumns;
    if (i >= columns) return;
    N sum = d.Through(last, last, i);
    for (int t = tokens.count - 1; t >= (tile + 1) * kTile; --t) {
      for (int erase = 0; erase < Reads(g); ++erase)
        sum += tokens.Read(erase, t, first + i) * d.dread[(erase * n_ + t) * kWidth + i];
    }
    d.Through(tile, tile, i) = sum;
  });
  __syncthreads();
}

// What of the writes of each tile before this one goes through this one: dkey has what reads after
// it and the state give, and nothing of this tile's reads yet.
template <typename T>
__device__ void ChannelDecay<T>::KeysThrough(const Tokens<T>& tokens, int64_t first, int tile,
                                             Gradients& d) const {
  Each(tile * kColumns, [&](int64_t at) {
    const int from = static_cast<int>(at) / kColumns, i = static_cast<int>(at) % kColumns;
    if (i >= Columns(tokens.g, first)) return;
    N sum = N(0);
    for (int j = from * kTile; j < (from + 1) * kTile; ++j)
      sum += tokens.Key(j, first + i) * d.dkey[j * kWidth + i];
    d.Through(tile, from, i) = sum;
  });
}

template <typename T>
__device__ void ChannelDecay<T>::EarlierTilesBackward(const Tokens<T>& tokens, int64_t first,
                                                      int tile, Stage<T>* stage, N* dtable,
                                                      Gradients& d) const {
  const int64_t columns = Columns(tokens.g, first);
  const int reads = Reads(tokens.g) * kTile, earlier = tile * kTile;
  const auto weight = [&](int64_t r, int64_t j) {
    return RowOf(dtable, ReadOf(tile, static_cast<int>(r)), n_)[j];
  };
  Product<T> dread(stage, reads, columns), dkey(stage, earlier, columns);
  dread.Add(earlier, Along(weight), Across([&](int i, int64_t j) {
              return tokens.Key(j, first + i) * end_[j * kWidth + i];
            }));
  dread.Each([&](int r, int i, N x) {
    const Read read = ReadOf(tile, r);
    RowOf(d.dread, read, kWidth)[i] += x * Local(read, i);
  });
  dkey.Add(reads, Across([&](int j, int64_t r) { return weight(r, j); }),
           Across([&](int i, int64_t r) {
             const Read read = ReadOf(tile, static_cast<int>(r));
             return tokens.Read(read.erase, read.t, first + i) * Local(read, i);
           }));
  dkey.Each([&](int j, int i, N x) { d.dkey[j * kWidth + i] += x * end_[j * kWidth + i]; });
}

// Sets the flow through each keep but for its own tile's writes into its own tile's reads, which
// are not in d yet. A thread for each column of each tile, here and in OwnTileBackward.
template <typename T>
__device__ void ChannelDecay<T>::FlowOfEarlierTiles(const Tokens<T>& tokens, int64_t first,
                                                    Gradients& d) const {
  const int i = static_cast<int>(threadIdx.x) % kColumns,
            tile = static_cast<int>(threadIdx.x) / kColumns, begin = tile * kTile;
  if (begin >= n_ || i >= Columns(tokens.g, first)) return;
  N reads = N(0);
  for (int from = 0; from <= tile; ++from) reads += d.Through(tile, from, i);
  for (int t = begin + kTile - 1; t >= begin; --t) {
    reads += tokens.Query(t, first + i) * d.dread[t * kWidth + i];
    Flow(t, i) = reads;
    if (tokens.g.erases())  // Of what is left at the token before.
      reads += tokens.Erase(t, first + i) * d.dread[(n_ + t) * kWidth + i];
  }
  N writes = N(0);
  for (int t = begin; t < begin + kTile; ++t) {
    Flow(t, i) += writes;
    writes += tokens.Key(t, first + i) * d.dkey[t * kWidth + i];
  }
}

// What a query reads of its own token's write, through no decay, is left to StoreColumns.
template <typename T>
__device__ void ChannelDecay<T>::OwnTileBackward(const Tokens<T>& tokens, int64_t first,
                                                 const N* dtable, Gradients& d) const {
  const ChunkProblem<T>& g = tokens.g;
  const int i = static_cast<int>(threadIdx.x) % kColumns,
            begin = static_cast<int>(threadIdx.x) / kColumns * kTile;
  if (begin >= n_ || i >= Columns(g, first)) return;
  N dquery[kTile] = {}, derase[kTile] = {};
  for (int j = 0; j < kTile; ++j) {
    const N key = tokens.Key(begin + j, first + i);
    const N* weight = dtable + begin * n_ + begin + j;
    N left = N(1), dkey = N(0);
    N flow = N(0);  // Of tokens up to j into reads after it, through the keep of token j + 1.
#pragma unroll
    for (int t = 1; t < kTile; ++t) {
      if (t <= j) continue;
      if (g.erases()) {
        const N w = left * weight[(n_ + t) * n_], erase = tokens.Erase(begin + t, first + i);
        derase[t] += w * key;
        dkey += w * erase;
        if (t > j + 1) flow += derase[t] * erase;
      }
      left *= keep_[(begin + t) * kWidth + i];
      const N w = left * weight[t * n_], query = tokens.Query(begin + t, first + i);
      dquery[t] += w * key;
      dkey += w * query;
      flow += dquery[t] * query;
    }
    d.dkey[(begin + j) * kWidth + i] += dkey;
    if (j + 1 < kTile) Flow(begin + j + 1, i) += flow;
  }
#pragma unroll
  for (int t = 0; t < kTile; ++t) {
    d.dread[(begin + t) * kWidth + i] += dquery[t];
    if (g.erases()) d.dread[(n_ + begin + t) * kWidth + i] += derase[t];
  }
}

template <typename T>
__device__ void ChannelDecay<T>::StoreColumns(const Tokens<T>& tokens, const ChunkGradients<T>& to,
                                              int64_t first, const N* dtable, Gradients& d) const {
  const ChunkProblem<T>& g = tokens.g;
  const int64_t columns = Columns(g, first);
  const N *dquery = d.dread, *derase = d.dread + n_ * kWidth;
  Each(tokens.count * kColumns, [&](int64_t at) {
    const int64_t t = at / kColumns, i = at % kColumns;
    if (i >= columns) return;
    if (to.dlog_keep != nullptr) to.dlog_keep[tokens.Row(t) * g.key + first + i] = Flow(t, i);
    const N own = dtable[t * n_ + t];
    N dkey = d.dkey[t * kWidth + i] + own * tokens.Query(t, first + i);
    if (g.erases()) {
      const N of_key = tokens.EraseScale(t) * derase[t * kWidth + i];
      if (to.de == nullptr) {
        dkey += of_key;
      } else {
        to.StoreRow(tokens, to.de, t, first + i, of_key);
      }
    }
    to.StoreRow(tokens, to.dq, t, first + i,
                dquery[t * kWidth + i] + own * tokens.Key(t, first + i));
    to.StoreRow(tokens, to.dk, t, first + i, dkey);
  });
  if (!g.erases()) return;
  Each(tokens.count, [&](int64_t t) {
    for (int64_t i = 0; i < columns; ++i)
      d.derase[t] += tokens.At(g.e, t, g.key, first + i) * derase[t * kWidth + i];
  });
}

}  // namespace palimpsest::device

#endif  // KERNELS_DEVICE_CHUNK_CHANNELS_BACKWARD_CUH_
