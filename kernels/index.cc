#include "kernels/index.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/parallel.h"

namespace palimpsest {

constinit Kernel<int64_t(const IndexArgs&)> find_bad_id("find_bad_id");
constinit Kernel<void(const IndexArgs&)> gather("gather");
constinit Kernel<void(const IndexArgs&)> scatter_add("scatter_add");
constinit Kernel<void(const IndexArgs&)> one_hot("one_hot");

namespace {

constexpr int64_t kGrain = 1 << 14;  // Elements.

int64_t FindBadIdCpu(const IndexArgs& args) {
  return DispatchInt(args.id_dtype, [&]<typename I>() -> int64_t {
    const I* ids = static_cast<const I*>(args.ids);
    const auto bad = [&](I id) { return id < 0 || id >= args.rows; };
    int64_t count = 0;
    for (int64_t i = 0; i < args.count; ++i) count += bad(ids[i]);
    return count == 0 ? -1 : std::find_if(ids, ids + args.count, bad) - ids;
  });
}

int64_t RowGrain(int64_t width) { return kGrain / std::max<int64_t>(width, 1) + 1; }

void GatherCpu(const IndexArgs& args) {
  const auto bytes = static_cast<size_t>(args.width) * SizeOf(args.dtype);
  const char* from = static_cast<const char*>(args.from);
  char* to = static_cast<char*>(args.to);
  if (bytes == 0) return;
  DispatchInt(args.id_dtype, [&]<typename I>() {
    const I* ids = static_cast<const I*>(args.ids);
    ParallelFor(args.count, RowGrain(args.width), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        std::memcpy(to + i * bytes, from + ids[i] * bytes, bytes);
    });
  });
}

// For each row, where in `order` its places begin; the places of a row ascend.
struct PlacesByRow {
  std::vector<int64_t> begin, order;
};

template <typename I>
PlacesByRow SortByRow(const I* ids, int64_t count, int64_t rows) {
  PlacesByRow places{std::vector<int64_t>(rows + 1), std::vector<int64_t>(count)};
  for (int64_t i = 0; i < count; ++i) ++places.begin[ids[i] + 1];
  for (int64_t r = 0; r < rows; ++r) places.begin[r + 1] += places.begin[r];
  std::vector<int64_t> next(places.begin.begin(), places.begin.end() - 1);
  for (int64_t i = 0; i < count; ++i) places.order[next[ids[i]]++] = i;
  return places;
}

template <typename T>
void SumRow(const T* from, int64_t width, const int64_t* place, int64_t places, T* to) {
  constexpr int64_t kColumns = 256;
  Accumulator<T> sum[kColumns];
  for (int64_t c = 0; c < width; c += kColumns) {
    const int64_t n = std::min(kColumns, width - c);
    std::fill_n(sum, n, Accumulator<T>(0));
    for (int64_t p = 0; p < places; ++p) {
      const T* row = from + place[p] * width + c;
      for (int64_t j = 0; j < n; ++j) sum[j] += static_cast<Accumulator<T>>(row[j]);
    }
    for (int64_t j = 0; j < n; ++j) to[c + j] = static_cast<T>(sum[j]);
  }
}

void ScatterAddCpu(const IndexArgs& args) {
  const PlacesByRow places = DispatchInt(args.id_dtype, [&]<typename I>() {
    return SortByRow(static_cast<const I*>(args.ids), args.count, args.rows);
  });
  DispatchFloat(args.dtype, [&]<typename T>() {
    const T* from = static_cast<const T*>(args.from);
    T* to = static_cast<T*>(args.to);
    ParallelFor(args.rows, RowGrain(args.width), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const int64_t first = places.begin[r];
        SumRow(from, args.width, places.order.data() + first, places.begin[r + 1] - first,
               to + r * args.width);
      }
    });
  });
}

void OneHotCpu(const IndexArgs& args) {
  DispatchAny(args.dtype, [&]<typename T>() {
    T* to = static_cast<T*>(args.to);
    DispatchInt(args.id_dtype, [&]<typename I>() {
      const I* ids = static_cast<const I*>(args.ids);
      ParallelFor(args.count, RowGrain(args.rows), [&](int64_t begin, int64_t end) {
        std::fill(to + begin * args.rows, to + end * args.rows, static_cast<T>(0.0));
        for (int64_t i = begin; i < end; ++i) to[i * args.rows + ids[i]] = static_cast<T>(1.0);
      });
    });
  });
}

PALIMPSEST_REGISTER_KERNEL(find_bad_id, kCpu, FindBadIdCpu);
PALIMPSEST_REGISTER_KERNEL(gather, kCpu, GatherCpu);
PALIMPSEST_REGISTER_KERNEL(scatter_add, kCpu, ScatterAddCpu);
PALIMPSEST_REGISTER_KERNEL(one_hot, kCpu, OneHotCpu);

}  // namespace
}  // namespace palimpsest
