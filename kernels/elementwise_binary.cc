#include <algorithm>
#include <type_traits>

#include "core/parallel.h"
#include "kernels/elementwise.h"
#include "kernels/vector_math.h"

namespace palimpsest {

constinit Kernel<void(const BinaryArgs&)> binary("binary");
constinit Kernel<void(const WhereArgs&)> where("where");

namespace {

constexpr int64_t kPiece = 2048;
constexpr int64_t kCheap = 32 * kPiece, kCostly = 8 * kPiece;

// Calls body(out, in, n) for pieces of rows: the offsets of the piece in the output and in each
// operand.
template <int kOperands, typename Args, typename F>
void ForEachPiece(const Args& args, const int64_t* const (&strides)[kOperands], int64_t grain,
                  F body) {
  const int inner = args.rank - 1;
  const int64_t row = args.shape[inner], piece = std::min(row, kPiece);
  if (piece == 0) return;
  const int64_t pieces = (row + piece - 1) / piece;
  int64_t rows = 1;
  for (int i = 0; i < inner; ++i) rows *= args.shape[i];
  ParallelFor(rows * pieces, grain / piece, [&](int64_t begin, int64_t end) {
    int64_t index[kMaxBroadcastRank], start[kOperands] = {}, in[kOperands];
    for (int64_t i = inner - 1, rest = begin / pieces; i >= 0; rest /= args.shape[i--]) {
      index[i] = rest % args.shape[i];
      for (int k = 0; k < kOperands; ++k) start[k] += index[i] * strides[k][i];
    }
    int64_t first = begin % pieces * piece;
    for (int64_t unit = begin; unit < end; ++unit) {
      for (int k = 0; k < kOperands; ++k) in[k] = start[k] + first * strides[k][inner];
      body(unit / pieces * row + first, in, std::min(piece, row - first));
      if ((first += piece) < row) continue;
      first = 0;
      for (int i = inner - 1; i >= 0; --i) {
        for (int k = 0; k < kOperands; ++k) start[k] += strides[k][i];
        if (++index[i] < args.shape[i]) break;
        for (int k = 0; k < kOperands; ++k) start[k] -= args.shape[i] * strides[k][i];
        index[i] = 0;
      }
    }
  });
}

template <typename T, typename F>
void Run(const BinaryArgs& args, int64_t grain, F f) {
  using N = Number<T>;
  const T *a = static_cast<const T*>(args.a), *b = static_cast<const T*>(args.b);
  T* out = static_cast<T*>(args.out);
  const int64_t a_step = args.a_strides[args.rank - 1], b_step = args.b_strides[args.rank - 1];
  ForEachPiece<2>(
      args, {args.a_strides, args.b_strides}, grain, [&](int64_t to, const int64_t* in, int64_t n) {
        if (a_step != 0 && b_step != 0) {
          Map(a + in[0], b + in[1], out + to, n, f);
        } else if (a_step != 0) {
          Map(a + in[0], out + to, n, [&, b = Spread(b[in[1]])](N a) { return f(a, b); });
        } else {
          Map(b + in[1], out + to, n, [&, a = Spread(a[in[0]])](N b) { return f(a, b); });
        }
      });
}

template <typename N>
N SiluSlope(N x) {
  const N s = Sigmoid(x);
  return s * (N(1.0) + x * (N(1.0) - s));
}

template <typename N>
N GeluSlope(N x) {
  const Normal<N> normal = NormalOf(x);
  return MulAdd(x, normal.density, normal.cumulative);
}

template <typename T>
void FloatsOf(const BinaryArgs& args) {
  using N = Number<T>;
  const N p(args.p), q(args.q), zero(0.0), half(0.5), one(1.0);
  const auto cheap = [&](auto f) { Run<T>(args, kCheap, f); };
  const auto costly = [&](auto f) { Run<T>(args, kCostly, f); };
  switch (args.op) {
    case BinaryOp::kAdd: return cheap([](N a, N b) { return a + b; });
    case BinaryOp::kSub: return cheap([](N a, N b) { return a - b; });
    case BinaryOp::kMul: return cheap([](N a, N b) { return a * b; });
    case BinaryOp::kDiv: return cheap([](N a, N b) { return a / b; });
    case BinaryOp::kPow: return costly([](N a, N b) { return Pow(a, b); });
    case BinaryOp::kMaximum: return cheap([](N a, N b) { return Max(a, b); });
    case BinaryOp::kMinimum: return cheap([](N a, N b) { return Min(a, b); });
    case BinaryOp::kSiluMul: return costly([](N a, N b) { return a * Sigmoid(a) * b; });
    case BinaryOp::kStep:
      return cheap([=](N a, N b) { return Select(a > b, one, Select(a == b, half, zero)); });
    case BinaryOp::kReluGrad: return cheap([=](N x, N dy) { return Select(x > zero, dy, zero); });
    case BinaryOp::kClampGrad:
      return cheap([=](N x, N dy) { return Select(x >= p, Select(x <= q, dy, zero), zero); });
    case BinaryOp::kSiluGrad: return costly([](N x, N dy) { return SiluSlope(x) * dy; });
    case BinaryOp::kGeluGrad: return costly([](N x, N dy) { return GeluSlope(x) * dy; });
    case BinaryOp::kSoftplusGrad: return costly([](N x, N dy) { return Sigmoid(x) * dy; });
    case BinaryOp::kTanhGrad: return cheap([=](N y, N dy) { return (one - y) * (one + y) * dy; });
    case BinaryOp::kSigmoidGrad: return cheap([=](N y, N dy) { return y * (one - y) * dy; });
    default: PALIMPSEST_CHECK(false) << "no such float operation";
  }
}

// The loops left to the compiler: step(i) is i or 0 as the stride says.
template <typename F>
void WithStep(int64_t stride, F f) {
  if (stride != 0) {
    f([](int64_t i) { return i; });
  } else {
    f([](int64_t) { return int64_t{0}; });
  }
}

template <typename T, typename Out, typename F>
void RunPlain(const BinaryArgs& args, F f) {
  const T *a = static_cast<const T*>(args.a), *b = static_cast<const T*>(args.b);
  Out* out = static_cast<Out*>(args.out);
  WithStep(args.a_strides[args.rank - 1], [&](auto a_step) {
    WithStep(args.b_strides[args.rank - 1], [&](auto b_step) {
      ForEachPiece<2>(args, {args.a_strides, args.b_strides}, kCheap,
                      [&](int64_t to, const int64_t* in, int64_t n) {
                        for (int64_t i = 0; i < n; ++i)
                          out[to + i] = f(a[in[0] + a_step(i)], b[in[1] + b_step(i)]);
                      });
    });
  });
}

template <typename T>
void IntegersOf(const BinaryArgs& args) {
  using U = std::make_unsigned_t<T>;  // Wraps around.
  switch (args.op) {
    case BinaryOp::kAdd:
      return RunPlain<T, T>(args, [](T a, T b) { return static_cast<T>(U(a) + U(b)); });
    case BinaryOp::kSub:
      return RunPlain<T, T>(args, [](T a, T b) { return static_cast<T>(U(a) - U(b)); });
    case BinaryOp::kMul:
      return RunPlain<T, T>(args, [](T a, T b) { return static_cast<T>(U(a) * U(b)); });
    case BinaryOp::kMaximum: return RunPlain<T, T>(args, [](T a, T b) { return std::max(a, b); });
    case BinaryOp::kMinimum: return RunPlain<T, T>(args, [](T a, T b) { return std::min(a, b); });
    default: PALIMPSEST_CHECK(false) << "needs a float dtype, got " << args.dtype;
  }
}

template <typename T>
void MaskOf(const BinaryArgs& args) {
  using N = std::conditional_t<std::is_same_v<T, Bf16>, float, T>;
  switch (args.op) {
    case BinaryOp::kGreater:
      return RunPlain<T, int32_t>(args,
                                  [](T a, T b) { return static_cast<N>(a) > static_cast<N>(b); });
    case BinaryOp::kGreaterEqual:
      return RunPlain<T, int32_t>(args,
                                  [](T a, T b) { return static_cast<N>(a) >= static_cast<N>(b); });
    default:
      return RunPlain<T, int32_t>(args,
                                  [](T a, T b) { return static_cast<N>(a) == static_cast<N>(b); });
  }
}

void BinaryCpu(const BinaryArgs& args) {
  if (args.op >= BinaryOp::kGreater) {
    DispatchAny(args.dtype, [&]<typename T>() { MaskOf<T>(args); });
  } else if (IsFloat(args.dtype)) {
    DispatchFloat(args.dtype, [&]<typename T>() { FloatsOf<T>(args); });
  } else {
    DispatchInt(args.dtype, [&]<typename T>() { IntegersOf<T>(args); });
  }
}

PALIMPSEST_REGISTER_KERNEL(binary, kCpu, BinaryCpu);

// Elements are only moved, so their size is all that matters.
template <typename T>
void WhereOf(const WhereArgs& args) {
  const T *a = static_cast<const T*>(args.a), *b = static_cast<const T*>(args.b);
  T* out = static_cast<T*>(args.out);
  const int inner = args.rank - 1;
  WithStep(args.mask_strides[inner], [&](auto mask_step) {
    WithStep(args.a_strides[inner], [&](auto a_step) {
      WithStep(args.b_strides[inner], [&](auto b_step) {
        ForEachPiece<3>(args, {args.mask_strides, args.a_strides, args.b_strides}, kCheap,
                        [&](int64_t to, const int64_t* in, int64_t n) {
                          for (int64_t i = 0; i < n; ++i) {
                            const T x = a[in[1] + a_step(i)], y = b[in[2] + b_step(i)];
                            out[to + i] = args.mask[in[0] + mask_step(i)] != 0 ? x : y;
                          }
                        });
      });
    });
  });
}

void WhereCpu(const WhereArgs& args) {
  switch (SizeOf(args.dtype)) {
    case 8: return WhereOf<uint64_t>(args);
    case 4: return WhereOf<uint32_t>(args);
    default: return WhereOf<uint16_t>(args);
  }
}

PALIMPSEST_REGISTER_KERNEL(where, kCpu, WhereCpu);

}  // namespace
}  // namespace palimpsest
