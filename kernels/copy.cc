#include "kernels/copy.h"

#include <algorithm>
#include <cstring>

#include "core/parallel.h"
#include "kernels/copy_axes.h"

namespace palimpsest {

constinit Kernel<void(const CopyArgs&)> copy("copy");

namespace {

constexpr int64_t kGrainBytes = 1 << 16;
constexpr int64_t kTile = 16;          // Elements of a transposed tile's side.
constexpr int64_t kBlockBytes = 1024;  // Of a block's side.

using Axis = CopyAxis;
using Axes = CopyAxes;

// Byte offsets of the index-th combination of `axes`, and the steps to the next ones.
class Odometer {
 public:
  Odometer(const Axes& axes, int64_t index) : axes_(axes), at_(axes.size()) {
    for (size_t i = axes.size(); i-- > 0;) {
      at_[i] = index % axes[i].extent;
      index /= axes[i].extent;
      from += at_[i] * axes[i].from;
      to += at_[i] * axes[i].to;
    }
  }
  void Next() {
    for (size_t i = axes_.size(); i-- > 0;) {
      from += axes_[i].from, to += axes_[i].to;
      if (++at_[i] < axes_[i].extent) return;
      from -= at_[i] * axes_[i].from, to -= at_[i] * axes_[i].to;
      at_[i] = 0;
    }
  }

  int64_t from = 0, to = 0;

 private:
  const Axes& axes_;
  absl::InlinedVector<int64_t, 6> at_;
};

int64_t Count(const Axes& axes) {
  int64_t n = 1;
  for (const Axis& axis : axes) n *= axis.extent;
  return n;
}

// Runs of `run` bytes; a part may begin and end within one.
void CopyRuns(const Axes& axes, int64_t run, const char* from, char* to) {
  ParallelFor(Count(axes) * run, kGrainBytes, [&](int64_t begin, int64_t end) {
    Odometer at(axes, begin / run);
    for (int64_t skip = begin % run; begin < end; skip = 0, at.Next()) {
      const int64_t n = std::min(run - skip, end - begin);
      std::memcpy(to + at.to + skip, from + at.from + skip, n);
      begin += n;
    }
  });
}

// Words of constant size, with an inner loop along the last axis.
template <int kBytes>
void CopyWords(Axes axes, const char* from, char* to) {
  const Axis inner = axes.back();
  axes.pop_back();
  ParallelFor(Count(axes) * inner.extent, kGrainBytes / kBytes, [&](int64_t begin, int64_t end) {
    Odometer at(axes, begin / inner.extent);
    for (int64_t skip = begin % inner.extent; begin < end; skip = 0, at.Next()) {
      const int64_t n = std::min(inner.extent - skip, end - begin);
      const char* f = from + at.from + skip * inner.from;
      char* t = to + at.to + skip * inner.to;
      for (int64_t i = 0; i < n; ++i) std::memcpy(t + i * inner.to, f + i * inner.from, kBytes);
      begin += n;
    }
  });
}

// Part of two axes.
void CopyRectangle(int64_t element, const Axis& rows, const Axis& columns, const char* from,
                   char* to) {
  for (int64_t r = 0; r < rows.extent; ++r) {
    for (int64_t c = 0; c < columns.extent; ++c) {
      std::memcpy(to + r * rows.to + c * columns.to, from + r * rows.from + c * columns.from,
                  element);
    }
  }
}

// to[r][c] = from[c][r], both with contiguous words inside, through a tile in cache.
template <int kBytes>
inline void TransposeTile(int64_t rows, int64_t columns, const char* from, int64_t from_stride,
                          char* to, int64_t to_stride) {
  alignas(64) char tile[kTile][kTile][kBytes];
  for (int64_t c = 0; c < columns; ++c) std::memcpy(tile[c], from + c * from_stride, rows * kBytes);
  for (int64_t r = 0; r < rows; ++r) {
    alignas(64) char row[kTile][kBytes];
    for (int64_t c = 0; c < kTile; ++c) std::memcpy(row[c], tile[c][r], kBytes);
    std::memcpy(to + r * to_stride, row, columns * kBytes);
  }
}

template <int kBytes>
void TransposeRectangle(const Axis& rows, const Axis& columns, const char* from, char* to) {
  for (int64_t r = 0; r < rows.extent; r += kTile) {
    for (int64_t c = 0; c < columns.extent; c += kTile) {
      const int64_t n = std::min(kTile, rows.extent - r), m = std::min(kTile, columns.extent - c);
      const char* f = from + r * kBytes + c * columns.from;
      char* t = to + r * rows.to + c * kBytes;
      if (n == kTile && m == kTile) {
        // Constant sizes: rows become registers.
        TransposeTile<kBytes>(kTile, kTile, f, columns.from, t, rows.to);
      } else {
        TransposeTile<kBytes>(n, m, f, columns.from, t, rows.to);
      }
    }
  }
}

// The axis `from` is fastest along goes with the last one, which `to` is fastest along, in blocks
// of which both sides stay in cache and its page tables.
template <typename CopyBlock>
void CopyBlocks(Axes axes, size_t fastest, int64_t element, const char* from, char* to,
                CopyBlock copy_block) {
  const Axis columns = axes.back(), rows = axes[fastest];
  axes.pop_back();
  axes.erase(axes.begin() + static_cast<int64_t>(fastest));
  const int64_t side = std::max<int64_t>(kBlockBytes / element, 2);
  const int64_t down = (rows.extent + side - 1) / side;
  const int64_t across = (columns.extent + side - 1) / side;
  const int64_t grain = kGrainBytes / (side * side * element) + 1;
  ParallelFor(Count(axes) * down * across, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Odometer at(axes, i / (down * across));
      const int64_t r = i / across % down * side, c = i % across * side;
      copy_block(Axis{std::min(side, rows.extent - r), rows.from, rows.to},
                 Axis{std::min(side, columns.extent - c), columns.from, columns.to},
                 from + at.from + r * rows.from + c * columns.from,
                 to + at.to + r * rows.to + c * columns.to);
    }
  });
}

// Elements of a size worth a constant.
template <int kBytes>
void CopyElements(const Axes& axes, const char* from, char* to) {
  const size_t fastest = FastestOfFrom(axes);
  if (axes[fastest].from == kBytes && axes.back().to == kBytes && fastest + 1 != axes.size()) {
    CopyBlocks(axes, fastest, kBytes, from, to, TransposeRectangle<kBytes>);
  } else {
    CopyWords<kBytes>(axes, from, to);
  }
}

void CopyAnySize(const Axes& axes, int64_t element, const char* from, char* to) {
  const size_t fastest = FastestOfFrom(axes);
  if (element <= kBlockBytes / 2 && fastest + 1 != axes.size()) {
    CopyBlocks(axes, fastest, element, from, to,
               [element](auto... part) { CopyRectangle(element, part...); });
  } else {
    CopyRuns(axes, element, from, to);
  }
}

void CopyCpu(const CopyArgs& args) {
  if (NumElements(args.extents) == 0) return;
  int64_t element;
  const Axes axes = Collapse(args, &element);
  const auto* from = static_cast<const char*>(args.from);
  auto* to = static_cast<char*>(args.to);
  if (axes.empty()) return CopyRuns(axes, element, from, to);
  switch (element) {
    case 1: return CopyElements<1>(axes, from, to);
    case 2: return CopyElements<2>(axes, from, to);
    case 4: return CopyElements<4>(axes, from, to);
    case 8: return CopyElements<8>(axes, from, to);
    case 16: return CopyElements<16>(axes, from, to);
    default: return CopyAnySize(axes, element, from, to);
  }
}

PALIMPSEST_REGISTER_KERNEL(copy, kCpu, CopyCpu);

}  // namespace

CopyAxes Collapse(const CopyArgs& args, int64_t* element) {
  CopyAxes axes;
  for (size_t i = 0; i < args.extents.size(); ++i) {
    const CopyAxis axis{args.extents[i], args.from_strides[i] * args.element,
                        args.to_strides[i] * args.element};
    if (axis.extent == 1) continue;
    if (!axes.empty() && axes.back().from == axis.extent * axis.from &&
        axes.back().to == axis.extent * axis.to) {
      axes.back() = {axes.back().extent * axis.extent, axis.from, axis.to};
    } else {
      axes.push_back(axis);
    }
  }
  *element = args.element;
  if (!axes.empty() && axes.back().from == *element && axes.back().to == *element) {
    *element *= axes.back().extent;
    axes.pop_back();
  }
  return axes;
}

size_t FastestOfFrom(const CopyAxes& axes) {
  size_t fastest = axes.size() - 1;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (0 < axes[i].from && axes[i].from < axes[fastest].from) fastest = i;
  }
  return fastest;
}

Shape DenseStrides(const Shape& shape) {
  Shape strides(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0; stride *= shape[i]) strides[i] = stride;
  return strides;
}

}  // namespace palimpsest
