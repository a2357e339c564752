#include <algorithm>

#include "core/parallel.h"
#include "kernels/elementwise.h"
#include "kernels/vector_math.h"

namespace palimpsest {

constinit Kernel<void(const GatedVjpArgs&)> gated_vjp("gated_vjp");

namespace {

constexpr int64_t kPiece = 2048, kGrain = 8;

template <typename N>
struct Gate {
  N value, slope;
};

template <bool sigmoid, typename N>
Gate<N> GateOf(N x) {
  const N s = Sigmoid(x);
  if (sigmoid) return {s, s * (N(1.0) - s)};
  return {x * s, s * (N(1.0) + x * (N(1.0) - s))};
}

template <typename T, bool sigmoid>
void Piece(const GatedVjpArgs& args, int64_t at, int64_t n) {
  const auto in = [&](const void* x) { return static_cast<const T*>(x) + at; };
  const T *gate = in(args.gate), *x = in(args.x), *dy = in(args.dy);
  T *dgate = static_cast<T*>(args.dgate) + at, *dx = static_cast<T*>(args.dx) + at;
  ForVectors<T>(n, [=](int64_t i, auto... count) {
    const auto g = GateOf<sigmoid>(Load(gate + i, count...));
    const auto d = Load(dy + i, count...);
    Store(g.slope * (Load(x + i, count...) * d), dgate + i, count...);
    Store(g.value * d, dx + i, count...);
  });
}

void GatedVjpCpu(const GatedVjpArgs& args) {
  DispatchFloat(args.dtype, [&]<typename T>() {
    const auto piece = args.function == GateFunction::kSigmoid ? &Piece<T, true> : &Piece<T, false>;
    ParallelFor((args.size + kPiece - 1) / kPiece, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t at = begin * kPiece; at < std::min(end * kPiece, args.size); at += kPiece)
        piece(args, at, std::min(kPiece, args.size - at));
    });
  });
}

PALIMPSEST_REGISTER_KERNEL(gated_vjp, kCpu, GatedVjpCpu);

}  // namespace
}  // namespace palimpsest
