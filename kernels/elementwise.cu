#include "kernels/cuda/dispatch.h"
#include "kernels/device/math.cuh"
#include "kernels/elementwise.h"

namespace palimpsest {
namespace {

using device::Blocks;
using device::kThreads;
using device::Narrow;
using device::Number;
using device::Widen;

static_assert(device::kMaxRank == kMaxBroadcastRank);

// One kernel for all operations of a dtype: which one is the same for every thread, and memory is
// what these wait for.
template <typename N>
__device__ N Apply(UnaryOp op, N x, N p, N q) {
  switch (op) {
    case UnaryOp::kNeg: return -x;
    case UnaryOp::kExp: return exp(x);
    case UnaryOp::kLog: return log(x);
    case UnaryOp::kSqrt: return sqrt(x);
    case UnaryOp::kRsqrt: return N(1) / sqrt(x);
    case UnaryOp::kTanh: return tanh(x);
    case UnaryOp::kSigmoid: return device::Sigmoid(x);
    case UnaryOp::kSilu: return x * device::Sigmoid(x);
    case UnaryOp::kGelu: return device::Gelu(x);
    case UnaryOp::kSoftplus: return device::Softplus(x);
    case UnaryOp::kRelu: return x <= N(0) ? N(0) : x;
    case UnaryOp::kAbs: return fabs(x);
    case UnaryOp::kSign: return x > N(0) ? N(1) : x < N(0) ? N(-1) : x;
    case UnaryOp::kAddConstant: return x + p;
    case UnaryOp::kMulConstant: return x * p;
    case UnaryOp::kPowConstant:
      return p == N(1) ? x : p == N(2) ? x * x : p == N(3) ? x * x * x : pow(x, p);
    case UnaryOp::kClamp: return x < p ? p : x > q ? q : x;
    case UnaryOp::kSiluSecond: return device::SiluSecond(x);
    case UnaryOp::kGeluSecond: return device::GeluSecond(x);
  }
  return x;
}

template <typename T>
__global__ void UnaryKernel(UnaryOp op, const T* x, T* y, int64_t n, bool packs, double p,
                            double q) {
  using N = Number<T>;
  device::Map(x, y, n, packs, [=](T v) {
    return Narrow<T>(Apply<N>(op, Widen(v), static_cast<N>(p), static_cast<N>(q)));
  });
}

void UnaryCuda(const UnaryArgs& args) {
  if (args.size == 0) return;
  DispatchFloat(args.dtype, [&]<typename Host>() {
    using T = DeviceType<Host>;
    const bool packs = Aligned(args.x) && Aligned(args.y);
    const int64_t units = packs ? args.size / device::Pack<T>::kSize + 1 : args.size;
    Launch(UnaryKernel<T>, Blocks(units), kThreads, 0, args.op, static_cast<const T*>(args.x),
           static_cast<T*>(args.y), args.size, packs, args.p, args.q);
  });
}

PALIMPSEST_REGISTER_CUDA_KERNEL(unary, UnaryCuda);

template <typename From, typename To>
__global__ void CastKernel(const From* x, To* y, int64_t n, bool packs) {
  device::Map(x, y, n, packs, [](From v) {
    const auto wide = Widen(v);
    if constexpr (std::is_integral_v<From> && !std::is_integral_v<To>) {
      return Narrow<To>(static_cast<double>(wide));
    } else {
      return Narrow<To>(wide);
    }
  });
}

void CastCuda(const CastArgs& args) {
  if (args.size == 0) return;
  DispatchAny(args.from, [&]<typename HostFrom>() {
    DispatchAny(args.to, [&]<typename HostTo>() {
      using From = DeviceType<HostFrom>;
      using To = DeviceType<HostTo>;
      const bool packs = Aligned(args.x) && Aligned(args.y);
      Launch(CastKernel<From, To>, Blocks(args.size), kThreads, 0, static_cast<const From*>(args.x),
             static_cast<To*>(args.y), args.size, packs);
    });
  });
}

PALIMPSEST_REGISTER_CUDA_KERNEL(cast, CastCuda);

template <typename N>
__device__ N Apply(BinaryOp op, N a, N b, N p, N q) {
  switch (op) {
    case BinaryOp::kAdd: return a + b;
    case BinaryOp::kSub: return a - b;
    case BinaryOp::kMul: return a * b;
    case BinaryOp::kDiv: return a / b;
    case BinaryOp::kPow: return pow(a, b);
    case BinaryOp::kMaximum: return device::Max(a, b);
    case BinaryOp::kMinimum: return device::Min(a, b);
    case BinaryOp::kSiluMul: return a * device::Sigmoid(a) * b;
    case BinaryOp::kStep: return a > b ? N(1) : a == b ? N(0.5) : N(0);
    case BinaryOp::kReluGrad: return a > N(0) ? b : N(0);
    case BinaryOp::kClampGrad: return a >= p && a <= q ? b : N(0);
    case BinaryOp::kSiluGrad: return device::SiluSlope(a) * b;
    case BinaryOp::kGeluGrad: return device::GeluSlope(a) * b;
    case BinaryOp::kSoftplusGrad: return device::Sigmoid(a) * b;
    case BinaryOp::kTanhGrad: return (N(1) - a) * (N(1) + a) * b;
    case BinaryOp::kSigmoidGrad: return a * (N(1) - a) * b;
    default: return N(0);  // Masks, which have a function of their own.
  }
}

template <typename T>
__device__ T ApplyInteger(BinaryOp op, T a, T b) {
  using U = std::make_unsigned_t<T>;  // Wraps around.
  switch (op) {
    case BinaryOp::kAdd: return static_cast<T>(U(a) + U(b));
    case BinaryOp::kSub: return static_cast<T>(U(a) - U(b));
    case BinaryOp::kMul: return static_cast<T>(U(a) * U(b));
    case BinaryOp::kMaximum: return a > b ? a : b;
    default: return a < b ? a : b;
  }
}

template <typename T>
struct FloatOf {
  BinaryOp op;
  Number<T> p, q;
  __device__ T operator()(T a, T b) const {
    return Narrow<T>(Apply<Number<T>>(op, Widen(a), Widen(b), p, q));
  }
};
template <typename T>
struct IntegerOf {
  BinaryOp op;
  __device__ T operator()(T a, T b) const { return ApplyInteger(op, a, b); }
};
template <typename T>
struct MaskOf {
  BinaryOp op;
  __device__ int32_t operator()(T x, T y) const {
    const auto a = Widen(x), b = Widen(y);
    return op == BinaryOp::kGreater ? a > b : op == BinaryOp::kGreaterEqual ? a >= b : a == b;
  }
};

using Broadcast2 = device::Broadcast<2>;
using Broadcast3 = device::Broadcast<3>;

template <typename Index, typename T, typename Out, typename F>
__global__ void BinaryKernel(Broadcast2 at, int64_t n, const T* a, const T* b, Out* out, F f) {
  for (int64_t i = device::FirstUnit(); i < n; i += device::UnitStride()) {
    int64_t offset[2];
    at.Offsets(static_cast<Index>(i), offset);
    out[i] = f(a[offset[0]], b[offset[1]]);
  }
}

// Both dense, or one number with a dense one: packs of 16 bytes.
template <typename T, typename Out, typename F>
__global__ void DenseBinaryKernel(int64_t n, const T* a, bool spread_a, const T* b, bool spread_b,
                                  Out* out, F f) {
  constexpr int kSize = device::Pack<T>::kSize;
  const auto load = [](const T* x, bool spread, int64_t i) {
    if (!spread) return reinterpret_cast<const device::Pack<T>*>(x)[i];
    device::Pack<T> pack;
#pragma unroll
    for (int j = 0; j < kSize; ++j) pack.at[j] = *x;
    return pack;
  };
  const int64_t full = n / kSize;
  for (int64_t i = device::FirstUnit(); i < full; i += device::UnitStride()) {
    const device::Pack<T> x = load(a, spread_a, i), y = load(b, spread_b, i);
    device::Pack<Out> z;
#pragma unroll
    for (int j = 0; j < kSize; ++j) z.at[j] = f(x.at[j], y.at[j]);
    reinterpret_cast<device::Pack<Out>*>(out)[i] = z;
  }
  for (int64_t i = full * kSize + device::FirstUnit(); i < n; i += device::UnitStride())
    out[i] = f(a[spread_a ? 0 : i], b[spread_b ? 0 : i]);
}

template <typename Args>
int64_t Size(const Args& args) {
  int64_t n = 1;
  for (int i = 0; i < args.rank; ++i) n *= args.shape[i];
  return n;
}

template <int kOperands, typename Args>
device::Broadcast<kOperands> PlacesOf(const Args& args,
                                      const int64_t* const (&strides)[kOperands]) {
  device::Broadcast<kOperands> at{args.rank, {}, {}};
  for (int i = 0; i < args.rank; ++i) {
    at.shape[i] = args.shape[i];
    for (int k = 0; k < kOperands; ++k) at.strides[k][i] = strides[k][i];
  }
  return at;
}

template <typename T, typename Out, typename F>
void RunBinary(const BinaryArgs& args, F f) {
  const auto *a = static_cast<const T*>(args.a), *b = static_cast<const T*>(args.b);
  auto* out = static_cast<Out*>(args.out);
  const int64_t n = Size(args);
  const bool spread_a = args.a_strides[0] == 0, spread_b = args.b_strides[0] == 0;
  const bool aligned = (spread_a || Aligned(a)) && (spread_b || Aligned(b)) && Aligned(out);
  if constexpr (sizeof(T) == sizeof(Out)) {
    if (args.rank == 1 && aligned) {
      Launch(DenseBinaryKernel<T, Out, F>, Blocks(n / device::Pack<T>::kSize + 1), kThreads, 0, n,
             a, spread_a, b, spread_b, out, f);
      return;
    }
  }
  const Broadcast2 at = PlacesOf<2>(args, {args.a_strides, args.b_strides});
  if (n <= UINT32_MAX) {
    Launch(BinaryKernel<uint32_t, T, Out, F>, Blocks(n), kThreads, 0, at, n, a, b, out, f);
  } else {
    Launch(BinaryKernel<uint64_t, T, Out, F>, Blocks(n), kThreads, 0, at, n, a, b, out, f);
  }
}

void BinaryCuda(const BinaryArgs& args) {
  if (Size(args) == 0) return;
  if (args.op >= BinaryOp::kGreater) {
    DispatchAny(args.dtype, [&]<typename Host>() {
      using T = DeviceType<Host>;
      RunBinary<T, int32_t>(args, MaskOf<T>{args.op});
    });
  } else if (IsFloat(args.dtype)) {
    DispatchFloat(args.dtype, [&]<typename Host>() {
      using T = DeviceType<Host>;
      using N = Number<T>;
      RunBinary<T, T>(args, FloatOf<T>{args.op, static_cast<N>(args.p), static_cast<N>(args.q)});
    });
  } else {
    PALIMPSEST_CHECK(args.op == BinaryOp::kAdd || args.op == BinaryOp::kSub ||
                     args.op == BinaryOp::kMul || args.op == BinaryOp::kMaximum ||
                     args.op == BinaryOp::kMinimum)
        << "needs a float dtype, got " << args.dtype;
    DispatchInt(args.dtype, [&]<typename T>() { RunBinary<T, T>(args, IntegerOf<T>{args.op}); });
  }
}

PALIMPSEST_REGISTER_CUDA_KERNEL(binary, BinaryCuda);

// Elements are only moved, so their size is all that matters.
template <typename Index, typename T>
__global__ void WhereKernel(Broadcast3 at, int64_t n, const int32_t* mask, const T* a, const T* b,
                            T* out) {
  for (int64_t i = device::FirstUnit(); i < n; i += device::UnitStride()) {
    int64_t offset[3];
    at.Offsets(static_cast<Index>(i), offset);
    out[i] = mask[offset[0]] != 0 ? a[offset[1]] : b[offset[2]];
  }
}

template <typename T>
void RunWhere(const WhereArgs& args) {
  const int64_t n = Size(args);
  const Broadcast3 at = PlacesOf<3>(args, {args.mask_strides, args.a_strides, args.b_strides});
  const auto *a = static_cast<const T*>(args.a), *b = static_cast<const T*>(args.b);
  auto* out = static_cast<T*>(args.out);
  if (n <= UINT32_MAX) {
    Launch(WhereKernel<uint32_t, T>, Blocks(n), kThreads, 0, at, n, args.mask, a, b, out);
  } else {
    Launch(WhereKernel<uint64_t, T>, Blocks(n), kThreads, 0, at, n, args.mask, a, b, out);
  }
}

void WhereCuda(const WhereArgs& args) {
  if (Size(args) == 0) return;
  switch (SizeOf(args.dtype)) {
    case 8: RunWhere<uint64_t>(args); break;
    case 4: RunWhere<uint32_t>(args); break;
    default: RunWhere<uint16_t>(args); break;
  }
}

PALIMPSEST_REGISTER_CUDA_KERNEL(where, WhereCuda);

template <typename N>
struct Gate {
  N value, slope;
};

template <typename N>
__device__ Gate<N> GateOf(GateFunction function, N x) {
  const N s = device::Sigmoid(x);
  if (function == GateFunction::kSigmoid) return {s, s * (N(1) - s)};
  return {x * s, s * (N(1) + x * (N(1) - s))};
}

// All threads, where a kernel on rows has a row's.
struct Grid {
  static __device__ int64_t Rank() { return device::FirstUnit(); }
  static __device__ int64_t Size() { return device::UnitStride(); }
};

template <int kPack, typename T>
__global__ void GatedVjpKernel(GateFunction function, int64_t n, const T* gate, const T* x,
                               const T* dy, T* dgate, T* dx) {
  using Run = device::Run<Number<T>, kPack>;
  device::ForRuns<Grid, kPack>(
      n,
      [=](int64_t i, const Run& gates, const Run& xs, const Run& dys) {
        Run dgates, dxs;
#pragma unroll
        for (int j = 0; j < kPack; ++j) {
          const auto g = GateOf(function, gates.at[j]);
          dgates.at[j] = g.slope * (xs.at[j] * dys.at[j]);
          dxs.at[j] = g.value * dys.at[j];
        }
        device::StoreRun(dgates, dgate, i);
        device::StoreRun(dxs, dx, i);
      },
      gate, x, dy);
}

void GatedVjpCuda(const GatedVjpArgs& a) {
  if (a.size == 0) return;
  DispatchFloat(a.dtype, [&]<typename Host>() {
    using T = DeviceType<Host>;
    DispatchPack<T>(a.size, {a.gate, a.x, a.dy, a.dgate, a.dx}, [&]<int kPack>() {
      Launch(GatedVjpKernel<kPack, T>, Blocks(a.size / kPack), kThreads, 0, a.function, a.size,
             In<Host>(a.gate), In<Host>(a.x), In<Host>(a.dy), Out<Host>(a.dgate), Out<Host>(a.dx));
    });
  });
}

PALIMPSEST_REGISTER_CUDA_KERNEL(gated_vjp, GatedVjpCuda);

}  // namespace
}  // namespace palimpsest
