#include <bit>

#include "kernels/cuda/dispatch.h"
#include "kernels/device/sort.cuh"
#include "kernels/index.h"

namespace palimpsest {
namespace {

using device::kThreads;
using device::Narrow;
using device::Number;
using device::Run;

template <typename I>
__device__ bool Names(I id, int64_t rows) {
  return id >= 0 && id < rows;
}

// By one block.
template <typename I>
__global__ void __launch_bounds__(device::kSumThreads)
    FindBadIdKernel(const I* ids, int64_t count, int64_t rows, int64_t* bad) {
  int64_t first = count;
  for (int64_t i = threadIdx.x; i < count && first == count; i += blockDim.x) {
    if (!Names(ids[i], rows)) first = i;
  }
  const auto least = [](int64_t a, int64_t b) { return a < b ? a : b; };
  first = device::BlockReduce(first, count, least, device::SharedMemory<int64_t>());
  if (threadIdx.x == 0) *bad = first < count ? first : -1;
}

int64_t FindBadIdCuda(const IndexArgs& args) {
  Tensor bad = Tensor::Empty({}, DType::kI64, Device::PALIMPSEST_CUDA_DEVICE);
  DispatchInt(args.id_dtype, [&]<typename I>() {
    Launch(FindBadIdKernel<I>, 1, device::kSumThreads, device::kReduceBytes,
           static_cast<const I*>(args.ids), args.count, args.rows, bad.mutable_data<int64_t>());
  });
  return static_cast<int64_t>(bad.Item());
}

struct alignas(16) Word16 {
  uint64_t low, high;
};

// Of an id that names no row, words with every bit set: NaN in every float dtype.
template <typename I, typename Word>
__global__ void GatherKernel(const I* ids, int64_t count, int64_t rows, int64_t width,
                             const Word* from, Word* to) {
  for (int64_t unit = device::FirstUnit(); unit < count * width; unit += device::UnitStride()) {
    const int64_t i = unit / width, id = static_cast<int64_t>(ids[i]);
    if (Names(id, rows)) {
      to[unit] = from[id * width + unit % width];
    } else {
      for (size_t b = 0; b < sizeof(Word); ++b) reinterpret_cast<uint8_t*>(to + unit)[b] = 0xff;
    }
  }
}

void GatherCuda(const IndexArgs& args) {
  const int64_t bytes = args.width * static_cast<int64_t>(SizeOf(args.dtype));
  if (bytes == 0) return;
  DispatchInt(args.id_dtype, [&]<typename I>() {
    const auto launch = [&]<typename Word>(Word) {
      const int64_t width = bytes / static_cast<int64_t>(sizeof(Word));
      Launch(GatherKernel<I, Word>, device::Blocks(args.count * width), kThreads, 0,
             static_cast<const I*>(args.ids), args.count, args.rows, width,
             static_cast<const Word*>(args.from), static_cast<Word*>(args.to));
    };
    const auto in = [&](uintptr_t word) {
      return (reinterpret_cast<uintptr_t>(args.from) | reinterpret_cast<uintptr_t>(args.to) |
              static_cast<uintptr_t>(bytes)) %
                 word ==
             0;
    };
    in(16) ? launch(Word16{}) : in(4) ? launch(uint32_t{}) : launch(uint16_t{});
  });
}

template <typename T, typename I>
__global__ void OneHotKernel(const I* ids, int64_t count, int64_t rows, T* to) {
  for (int64_t unit = device::FirstUnit(); unit < count * rows; unit += device::UnitStride())
    to[unit] = Narrow<T>(unit % rows == static_cast<int64_t>(ids[unit / rows]) ? 1.0f : 0.0f);
}

void OneHotCuda(const IndexArgs& args) {
  DispatchAny(args.dtype, [&]<typename T>() {
    DispatchInt(args.id_dtype, [&]<typename I>() {
      Launch(OneHotKernel<DeviceType<T>, I>, device::Blocks(args.count * args.rows), kThreads, 0,
             static_cast<const I*>(args.ids), args.count, args.rows, Out<T>(args.to));
    });
  });
}

// The rows that ids name, and one past the last for those that name none.
template <typename I>
__global__ void KeysKernel(const I* ids, int64_t count, int64_t rows, int64_t* keys) {
  for (int64_t i = device::FirstUnit(); i < count; i += device::UnitStride())
    keys[i] = Names(ids[i], rows) ? static_cast<int64_t>(ids[i]) : rows;
}

__global__ void CountDigitsKernel(const int64_t* keys, int64_t n, int shift, int64_t tiles,
                                  int64_t* counts) {
  device::CountDigits(keys, n, shift, tiles, counts);
}
__global__ void __launch_bounds__(device::kSumThreads) SumBeforeKernel(int64_t* x, int64_t n) {
  device::SumBefore(x, n);
}
__global__ void PlaceKeysKernel(const int64_t* keys, const int64_t* numbers, int64_t n, int shift,
                                int64_t tiles, const int64_t* starts, int64_t* keys_out,
                                int64_t* numbers_out) {
  device::PlaceKeys(keys, numbers, n, shift, tiles, starts, keys_out, numbers_out);
}

// begin[r], for r in [0, rows]: the first place of a key that is not below r.
__global__ void FindRowsKernel(const int64_t* keys, int64_t count, int64_t rows, int64_t* begin) {
  for (int64_t r = device::FirstUnit(); r <= rows; r += device::UnitStride()) {
    int64_t low = 0, high = count;
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (keys[middle] < r) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    begin[r] = low;
  }
}

}  // namespace

// Named, as what is made of it is.
inline namespace PALIMPSEST_CUDA_FLAVOR {

// The ids in the order of the rows they name, and of i for each row.
class SortedIds {
 public:
  explicit SortedIds(const IndexArgs& args)
      : keys_{Scratch<int64_t>(args.count), Scratch<int64_t>(args.count)},
        numbers_{Scratch<int64_t>(args.count), Scratch<int64_t>(args.count)},
        begin_(args.rows + 1) {
    DispatchInt(args.id_dtype, [&]<typename I>() {
      Launch(KeysKernel<I>, device::Blocks(args.count), kThreads, 0,
             static_cast<const I*>(args.ids), args.count, args.rows, keys_[0].data());
    });
    const int64_t n = args.count, tiles = CeilDiv(n, device::kSortTile);
    Scratch<int64_t> counts(tiles * device::kDigits);
    const int bits = std::bit_width(static_cast<uint64_t>(args.rows));
    for (int shift = 0; n > 0 && shift < bits; shift += device::kDigitBits) {
      const int to = 1 - now_;
      Launch(CountDigitsKernel, BlocksFor(tiles), kThreads, device::kCountBytes, keys_[now_].data(),
             n, shift, tiles, counts.data());
      Launch(SumBeforeKernel, 1, device::kSumThreads, device::kReduceBytes, counts.data(),
             tiles * device::kDigits);
      Launch(PlaceKeysKernel, BlocksFor(tiles), kThreads, device::kPlaceBytes, keys_[now_].data(),
             shift == 0 ? nullptr : numbers_[now_].data(), n, shift, tiles, counts.data(),
             keys_[to].data(), numbers_[to].data());
      now_ = to;
    }
    Launch(FindRowsKernel, device::Blocks(args.rows + 1), kThreads, 0, keys_[now_].data(), n,
           args.rows, begin_.data());
  }

  const int64_t* keys() { return keys_[now_].data(); }
  const int64_t* numbers() { return numbers_[now_].data(); }
  const int64_t* begin() { return begin_.data(); }

 private:
  int now_ = 0;
  Scratch<int64_t> keys_[2], numbers_[2], begin_;
};

}  // namespace PALIMPSEST_CUDA_FLAVOR

namespace {

// Places of the sorted ids that one thread goes through. A row whose places lie in several such
// parts has a sum in each: `last` of the part it begins in, `first` of those it goes on in.
constexpr int64_t kPart = 64;

template <typename T>
struct Table {
  const int64_t *keys, *numbers, *begin;
  int64_t count, rows, width;
  const T* from;
  T* to;
  Number<T>*first, *last;  // [parts, width]
};

template <int kPack, typename T>
__global__ void SumPartsKernel(Table<T> t) {
  using N = Number<T>;
  const int64_t packs = t.width / kPack, parts = (t.count + kPart - 1) / kPart;
  for (int64_t unit = device::FirstUnit(); unit < parts * packs; unit += device::UnitStride()) {
    const int64_t part = unit / packs, column = unit % packs * kPack, begin = part * kPart;
    const int64_t end = begin + kPart < t.count ? begin + kPart : t.count;
    for (int64_t p = begin; p < end;) {
      const int64_t key = t.keys[p];
      const bool goes_on = p == begin && begin > 0 && t.keys[begin - 1] == key;
      Run<N, kPack> sum = {};
      for (; p < end && t.keys[p] == key; ++p) {
        const auto v = device::LoadRun<kPack>(t.from, t.numbers[p] * t.width + column);
#pragma unroll
        for (int j = 0; j < kPack; ++j) sum.at[j] += v.at[j];
      }
      if (goes_on) {
        device::StoreRun(sum, t.first, part * t.width + column);
      } else if (p == end && end < t.count && t.keys[end] == key) {
        device::StoreRun(sum, t.last, part * t.width + column);
      } else if (key < t.rows) {
        device::StoreRun(sum, t.to, key * t.width + column);
      }
    }
  }
}

// The rows that no id names, and those of several parts.
template <int kPack, typename T>
__global__ void SumRowsKernel(Table<T> t) {
  using N = Number<T>;
  const int64_t packs = t.width / kPack;
  for (int64_t unit = device::FirstUnit(); unit < t.rows * packs; unit += device::UnitStride()) {
    const int64_t row = unit / packs, column = unit % packs * kPack;
    const int64_t begin = t.begin[row], end = t.begin[row + 1];
    const int64_t part = begin / kPart, last = (end - 1) / kPart;
    if (begin < end && part == last) continue;
    Run<N, kPack> sum = {};
    if (begin < end) {
      sum = device::LoadRun<kPack>(t.last, part * t.width + column);
      for (int64_t p = part + 1; p <= last; ++p) {
        const auto v = device::LoadRun<kPack>(t.first, p * t.width + column);
#pragma unroll
        for (int j = 0; j < kPack; ++j) sum.at[j] += v.at[j];
      }
    }
    device::StoreRun(sum, t.to, row * t.width + column);
  }
}

void ScatterAddCuda(const IndexArgs& args) {
  if (args.rows == 0 || args.width == 0) return;
  SortedIds ids(args);
  DispatchFloat(args.dtype, [&]<typename Host>() {
    using T = DeviceType<Host>;
    const int64_t parts = CeilDiv(args.count, kPart);
    Scratch<Number<T>> first(parts * args.width), last(parts * args.width);
    const Table<T> table{ids.keys(),   ids.numbers(), ids.begin(),         args.count,
                         args.rows,    args.width,    In<Host>(args.from), Out<Host>(args.to),
                         first.data(), last.data()};
    DispatchPack<T>(args.width, {args.from, args.to}, [&]<int kPack>() {
      const int64_t packs = args.width / kPack;
      Launch(SumPartsKernel<kPack, T>, device::Blocks(parts * packs), kThreads, 0, table);
      Launch(SumRowsKernel<kPack, T>, device::Blocks(args.rows * packs), kThreads, 0, table);
    });
  });
}

PALIMPSEST_REGISTER_CUDA_KERNEL(find_bad_id, FindBadIdCuda);
PALIMPSEST_REGISTER_CUDA_KERNEL(gather, GatherCuda);
PALIMPSEST_REGISTER_CUDA_KERNEL(scatter_add, ScatterAddCuda);
PALIMPSEST_REGISTER_CUDA_KERNEL(one_hot, OneHotCuda);

}  // namespace
}  // namespace palimpsest
