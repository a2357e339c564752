#include "kernels/copy.h"
#include "kernels/copy_axes.h"
#include "kernels/cuda/dispatch.h"

namespace palimpsest {
namespace {

using device::kThreads;
using Places = device::Broadcast<2>;  // Of `from` and `to`, in words.

struct alignas(16) Word16 {
  uint64_t low, high;
};

template <typename Index, typename Word>
__global__ void CopyKernel(Places at, int64_t n, const Word* from, Word* to) {
  for (int64_t i = device::FirstUnit(); i < n; i += device::UnitStride()) {
    int64_t offset[2];
    at.Offsets(static_cast<Index>(i), offset);
    to[offset[1]] = from[offset[0]];
  }
}

// Tiles of two axes: words of `from` are neighbours along the rows' axis, those of `to` along the
// columns'.
constexpr int kTile = 32;
struct Tiles {
  int64_t rows, columns;
  int64_t from_column, to_row;  // Strides, in words.
  int64_t down, across;         // How many tiles.
  Places outer;
  int64_t count;
};

template <typename Word>
__global__ void TransposeKernel(Tiles tiles, const Word* from, Word* to) {
  Word* tile = device::SharedMemory<Word>();
  constexpr int kStride = kTile + 1;  // Without conflicts of banks either way.
  const int lane = static_cast<int>(threadIdx.x) % kTile,
            first = static_cast<int>(threadIdx.x) / kTile;
  for (int64_t i = blockIdx.x; i < tiles.count; i += gridDim.x) {
    int64_t base[2];
    tiles.outer.Offsets(i / tiles.across / tiles.down, base);
    const int64_t r = i / tiles.across % tiles.down * kTile, c = i % tiles.across * kTile;
    for (int j = first; j < kTile; j += kThreads / kTile) {
      if (r + lane < tiles.rows && c + j < tiles.columns)
        tile[j * kStride + lane] = from[base[0] + r + lane + (c + j) * tiles.from_column];
    }
    __syncthreads();
    for (int j = first; j < kTile; j += kThreads / kTile) {
      if (r + j < tiles.rows && c + lane < tiles.columns)
        to[base[1] + (r + j) * tiles.to_row + c + lane] = tile[lane * kStride + j];
    }
    __syncthreads();
  }
}

Places PlacesOf(const CopyAxes& axes, int64_t word) {
  PALIMPSEST_CHECK(axes.size() <= device::kMaxRank)
      << "a copy along " << axes.size() << " axes, of at most " << device::kMaxRank;
  Places at{static_cast<int>(axes.size()), {}, {}};
  for (size_t i = 0; i < axes.size(); ++i) {
    at.shape[i] = axes[i].extent;
    at.strides[0][i] = axes[i].from / word, at.strides[1][i] = axes[i].to / word;
  }
  return at;
}

int64_t Count(const CopyAxes& axes) {
  int64_t n = 1;
  for (const CopyAxis& axis : axes) n *= axis.extent;
  return n;
}

template <typename Word>
void CopyWords(const CopyAxes& axes, const void* from, void* to) {
  const int64_t n = Count(axes);
  const auto launch = [&](auto* kernel) {
    Launch(kernel, device::Blocks(n), kThreads, 0, PlacesOf(axes, sizeof(Word)), n,
           static_cast<const Word*>(from), static_cast<Word*>(to));
  };
  n <= UINT32_MAX ? launch(CopyKernel<uint32_t, Word>) : launch(CopyKernel<int64_t, Word>);
}

template <typename Word>
void Transpose(CopyAxes axes, size_t fastest, const void* from, void* to) {
  const CopyAxis rows = axes[fastest], columns = axes.back();
  axes.pop_back();
  axes.erase(axes.begin() + static_cast<int64_t>(fastest));
  constexpr int64_t kBytes = sizeof(Word);
  Tiles tiles{.rows = rows.extent,
              .columns = columns.extent,
              .from_column = columns.from / kBytes,
              .to_row = rows.to / kBytes,
              .down = CeilDiv(rows.extent, kTile),
              .across = CeilDiv(columns.extent, kTile),
              .outer = PlacesOf(axes, kBytes),
              .count = 0};
  tiles.count = tiles.down * tiles.across * Count(axes);
  Launch(TransposeKernel<Word>, BlocksFor(tiles.count), kThreads, kTile * (kTile + 1) * kBytes,
         tiles, static_cast<const Word*>(from), static_cast<Word*>(to));
}

// `element` bytes, which are neighbours in both, in the widest words that everything is aligned to.
template <typename Word>
void CopyAs(CopyAxes axes, int64_t element, const void* from, void* to) {
  constexpr int64_t kBytes = sizeof(Word);
  const size_t fastest = axes.empty() ? 0 : FastestOfFrom(axes);
  if (element == kBytes && !axes.empty() && fastest + 1 != axes.size() &&
      axes[fastest].from == kBytes && axes.back().to == kBytes)
    return Transpose<Word>(axes, fastest, from, to);
  if (element > kBytes) axes.push_back({element / kBytes, kBytes, kBytes});
  CopyWords<Word>(axes, from, to);
}

void CopyCuda(const CopyArgs& args) {
  if (NumElements(args.extents) == 0) return;
  int64_t element;
  const CopyAxes axes = Collapse(args, &element);
  uint64_t bits = static_cast<uint64_t>(element) | reinterpret_cast<uintptr_t>(args.from) |
                  reinterpret_cast<uintptr_t>(args.to);
  for (const CopyAxis& axis : axes) bits |= static_cast<uint64_t>(axis.from | axis.to);
  switch (bits & -bits) {
    case 1: return CopyAs<uint8_t>(axes, element, args.from, args.to);
    case 2: return CopyAs<uint16_t>(axes, element, args.from, args.to);
    case 4: return CopyAs<uint32_t>(axes, element, args.from, args.to);
    case 8: return CopyAs<uint64_t>(axes, element, args.from, args.to);
    default: return CopyAs<Word16>(axes, element, args.from, args.to);
  }
}

PALIMPSEST_REGISTER_CUDA_KERNEL(copy, CopyCuda);

}  // namespace
}  // namespace palimpsest
