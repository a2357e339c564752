#include "kernels/reduce.h"

#include <algorithm>
#include <limits>
#include <memory>

#include "core/parallel.h"
#include "kernels/vector_math.h"

namespace palimpsest {

constinit Kernel<void(const ReduceArgs&)> reduce("reduce");

namespace {

// Elements that one partial result is made of: long reductions are cut into parts for several
// threads.
constexpr int64_t kPart = 65536;
// Elements worth a thread of their own.
constexpr int64_t kGrain = 65536;
// Columns reduced together: their partial results stay in the first-level cache.
constexpr int64_t kColumns = 1024;
// Rows narrower than this are taken several at a time.
constexpr int64_t kNarrow = 128;

struct Sum {
  static constexpr double kIdentity = 0.0;
  template <typename N>
  static N Combine(N a, N b) {
    return a + b;
  }
  template <typename T, typename F>
  static Accumulator<T> Vectors(int64_t n, F f) {
    return SumVectors<T>(n, f);
  }
};

struct Largest {
  static constexpr double kIdentity = -std::numeric_limits<double>::infinity();
  template <typename N>
  static N Combine(N a, N b) {
    return Max(a, b);
  }
  template <typename T, typename F>
  static Accumulator<T> Vectors(int64_t n, F f) {
    return MaxVectors<T>(n, f);
  }
};

int64_t Ceil(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Over the last axis: [outer, n].
template <typename Op, typename T, typename F>
void ReduceRows(const ReduceArgs& args, F map) {
  using A = Accumulator<T>;
  const T *x = static_cast<const T*>(args.x), *shift = static_cast<const T*>(args.shift);
  T* y = static_cast<T*>(args.y);
  const int64_t n = args.n, parts = std::max<int64_t>(Ceil(n, kPart), 1);
  const auto partial = std::make_unique_for_overwrite<A[]>(parts > 1 ? args.outer * parts : 0);
  const A scale = static_cast<A>(args.scale);
  ParallelFor(args.outer * parts, kGrain / std::clamp<int64_t>(n, 1, kPart),
              [&](int64_t begin, int64_t end) {
                for (int64_t unit = begin; unit < end; ++unit) {
                  const int64_t row = unit / parts, first = unit % parts * kPart;
                  const auto s = Spread(shift != nullptr ? shift[row] : T());
                  const T* from = x + row * n + first;
                  const A total = Op::template Vectors<T>(
                      std::min(kPart, n - first),
                      [&](int64_t i, auto... count) { return map(Load(from + i, count...), s); });
                  if (parts > 1) {
                    partial[unit] = total;
                  } else {
                    y[row] = static_cast<T>(total * scale);
                  }
                }
              });
  for (int64_t row = 0; parts > 1 && row < args.outer; ++row) {
    A total = partial[row * parts];
    for (int64_t p = 1; p < parts; ++p) total = Op::Combine(total, partial[row * parts + p]);
    y[row] = static_cast<T>(total * scale);
  }
}

// acc[i] = op(acc[i], map(x[i], shift[i])).
template <typename Op, typename T, typename F>
void Accumulate(Accumulator<T>* acc, const T* x, const T* shift, int64_t n, F map) {
  ForVectors<T>(n, [&](int64_t i, auto... count) {
    const Number<T> s = shift != nullptr ? Load(shift + i, count...) : Number<T>(0.0);
    Store(Op::Combine(Load(acc + i, count...), map(Load(x + i, count...), s)), acc + i, count...);
  });
}

// `rows` rows of `width` columns, `stride` apart, into acc [width]. Narrow dense rows go several at
// a time.
template <typename Op, typename T, typename F>
void ReduceColumns(Accumulator<T>* acc, const T* x, const T* shift, int64_t rows, int64_t width,
                   int64_t stride, F map) {
  using A = Accumulator<T>;
  const int64_t together =
      width == stride ? std::clamp<int64_t>(kNarrow / width, 1, std::max<int64_t>(rows, 1)) : 1;
  const int64_t wide = together * width;
  T tiled[kNarrow];
  if (together > 1 && shift != nullptr) {
    for (int64_t i = 0; i < wide; ++i) tiled[i] = shift[i % width];
    shift = tiled;
  }
  std::fill_n(acc, wide, static_cast<A>(Op::kIdentity));
  int64_t row = 0;
  for (; row + together <= rows; row += together)
    Accumulate<Op>(acc, x + row * stride, shift, wide, map);
  if (row < rows) Accumulate<Op>(acc, x + row * stride, shift, (rows - row) * width, map);
  for (int64_t i = 1; i < together; ++i) {
    Accumulate<Op>(acc, acc + i * width, static_cast<const A*>(nullptr), width,
                   [](auto v, auto) { return v; });
  }
}

// Over a middle axis: [outer, n, inner].
template <typename Op, typename T, typename F>
void ReduceMiddle(const ReduceArgs& args, F map) {
  using A = Accumulator<T>;
  const T *x = static_cast<const T*>(args.x), *shift = static_cast<const T*>(args.shift);
  T* y = static_cast<T*>(args.y);
  const int64_t n = args.n, inner = args.inner, width = std::min(inner, kColumns);
  const int64_t strips = Ceil(inner, width), rows = Ceil(kPart, width);
  const int64_t parts = std::max<int64_t>(Ceil(n, rows), 1);
  const auto partial =
      std::make_unique_for_overwrite<A[]>(parts > 1 ? args.outer * parts * inner : 0);
  const auto finish = [&, scale = Number<T>(args.scale)](const A* acc, T* y, int64_t n) {
    ForVectors<T>(n, [&](int64_t i, auto... count) {
      Store(Load(acc + i, count...) * scale, y + i, count...);
    });
  };
  const int64_t unit_size = std::clamp<int64_t>(n, 1, rows) * width;
  ParallelFor(args.outer * parts * strips, kGrain / unit_size, [&](int64_t begin, int64_t end) {
    A acc[kColumns];
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t column = unit % strips * width, part = unit / strips % parts,
                    o = unit / strips / parts;
      const int64_t columns = std::min(width, inner - column);
      ReduceColumns<Op>(acc, x + (o * n + part * rows) * inner + column,
                        shift != nullptr ? shift + o * inner + column : nullptr,
                        std::min(rows, n - part * rows), columns, inner, map);
      if (parts > 1) {
        std::copy_n(acc, columns, &partial[(o * parts + part) * inner + column]);
      } else {
        finish(acc, y + o * inner + column, columns);
      }
    }
  });
  if (parts == 1) return;
  ParallelFor(args.outer * strips, kGrain / (parts * width), [&](int64_t begin, int64_t end) {
    A acc[kColumns];
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t column = unit % strips * width, o = unit / strips,
                    columns = std::min(width, inner - column);
      ReduceColumns<Op>(acc, &partial[o * parts * inner + column], static_cast<const A*>(nullptr),
                        parts, columns, inner, [](auto v, auto) { return v; });
      finish(acc, y + o * inner + column, columns);
    }
  });
}

template <typename Op, typename T, typename F>
void Reduce(const ReduceArgs& args, F map) {
  if (args.outer == 0 || args.inner == 0) return;
  return args.inner == 1 ? ReduceRows<Op, T>(args, map) : ReduceMiddle<Op, T>(args, map);
}

void ReduceCpu(const ReduceArgs& args) {
  DispatchFloat(args.dtype, [&]<typename T>() {
    using N = Number<T>;
    switch (args.op) {
      case ReduceOp::kSum: return Reduce<Sum, T>(args, [](N v, N) { return v; });
      case ReduceOp::kSumSquares: return Reduce<Sum, T>(args, [](N v, N) { return v * v; });
      case ReduceOp::kSumExp:
        return Reduce<Sum, T>(args, [](N v, N shift) { return Exp(v - shift); });
      case ReduceOp::kMax: return Reduce<Largest, T>(args, [](N v, N) { return v; });
    }
  });
}

PALIMPSEST_REGISTER_KERNEL(reduce, kCpu, ReduceCpu);

}  // namespace
}  // namespace palimpsest
