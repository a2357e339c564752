#include "kernels/elementwise.h"

#include <algorithm>

#include "core/parallel.h"
#include "kernels/vector_math.h"

namespace palimpsest {

constinit Kernel<void(const UnaryArgs&)> unary("unary");
constinit Kernel<void(const CastArgs&)> cast("cast");

namespace {

// Threads take whole blocks, which keeps them off each other's cache lines.
constexpr int64_t kBlock = 2048;

void ParallelBlocks(int64_t n, int64_t grain,
                    absl::FunctionRef<void(int64_t begin, int64_t end)> body) {
  ParallelFor((n + kBlock - 1) / kBlock, std::max<int64_t>(grain / kBlock, 1),
              [&](int64_t begin, int64_t end) { body(begin * kBlock, std::min(end * kBlock, n)); });
}

// Elements worth a thread of their own: cheap ones are bound by memory.
constexpr int64_t kCheap = 32 * kBlock, kCostly = 8 * kBlock;

template <typename T, typename F>
void Run(const UnaryArgs& args, int64_t grain, F f) {
  const T* x = static_cast<const T*>(args.x);
  T* y = static_cast<T*>(args.y);
  ParallelBlocks(args.size, grain,
                 [&](int64_t begin, int64_t end) { Map(x + begin, y + begin, end - begin, f); });
}

template <typename N>
N SiluSecond(N x) {
  const N s = Sigmoid(x);
  return s * (N(1.0) - s) * (N(2.0) + x * (N(1.0) - s - s));
}

template <typename T>
void PowConstant(const UnaryArgs& args) {
  using N = Number<T>;
  const N p(args.p);
  if (args.p == 1.0) return Run<T>(args, kCheap, [](N x) { return x; });
  if (args.p == 2.0) return Run<T>(args, kCheap, [](N x) { return x * x; });
  if (args.p == 3.0) return Run<T>(args, kCheap, [](N x) { return x * x * x; });
  Run<T>(args, kCostly, [=](N x) { return Pow(x, p); });
}

template <typename T>
void UnaryOf(const UnaryArgs& args) {
  using N = Number<T>;
  const N p(args.p), q(args.q), zero(0.0), one(1.0);
  switch (args.op) {
    case UnaryOp::kNeg: return Run<T>(args, kCheap, [](N x) { return -x; });
    case UnaryOp::kExp: return Run<T>(args, kCostly, [](N x) { return Exp(x); });
    case UnaryOp::kLog: return Run<T>(args, kCostly, [](N x) { return Log(x); });
    case UnaryOp::kSqrt: return Run<T>(args, kCheap, [](N x) { return Sqrt(x); });
    case UnaryOp::kRsqrt: return Run<T>(args, kCheap, [=](N x) { return one / Sqrt(x); });
    case UnaryOp::kTanh: return Run<T>(args, kCostly, [](N x) { return Tanh(x); });
    case UnaryOp::kSigmoid: return Run<T>(args, kCostly, [](N x) { return Sigmoid(x); });
    case UnaryOp::kSilu: return Run<T>(args, kCostly, [](N x) { return x * Sigmoid(x); });
    case UnaryOp::kGelu: return Run<T>(args, kCostly, [](N x) { return Gelu(x); });
    case UnaryOp::kSoftplus: return Run<T>(args, kCostly, [](N x) { return Softplus(x); });
    case UnaryOp::kRelu:
      return Run<T>(args, kCheap, [=](N x) { return Select(x <= zero, zero, x); });
    case UnaryOp::kAbs: return Run<T>(args, kCheap, [](N x) { return Abs(x); });
    case UnaryOp::kSign:
      return Run<T>(args, kCheap,
                    [=](N x) { return Select(x > zero, one, Select(x < zero, -one, x)); });
    case UnaryOp::kAddConstant: return Run<T>(args, kCheap, [=](N x) { return x + p; });
    case UnaryOp::kMulConstant: return Run<T>(args, kCheap, [=](N x) { return x * p; });
    case UnaryOp::kPowConstant: return PowConstant<T>(args);
    case UnaryOp::kClamp:
      return Run<T>(args, kCheap, [=](N x) { return Select(x < p, p, Select(x > q, q, x)); });
    case UnaryOp::kSiluSecond: return Run<T>(args, kCostly, [](N x) { return SiluSecond(x); });
    case UnaryOp::kGeluSecond:
      return Run<T>(args, kCostly, [](N x) { return NormalOf(x).density * (N(2.0) - x * x); });
  }
}

void UnaryCpu(const UnaryArgs& args) {
  DispatchFloat(args.dtype, [&]<typename T>() { UnaryOf<T>(args); });
}

PALIMPSEST_REGISTER_KERNEL(unary, kCpu, UnaryCpu);

template <typename From, typename To>
void Convert(const From* x, To* y, int64_t n) {
  if constexpr (std::is_same_v<Number<From>, Floats> && std::is_same_v<Number<To>, Floats> &&
                !std::is_integral_v<From> && !std::is_integral_v<To>) {
    ForVectors<From>(
        n, [=](int64_t i, auto... count) { Store(Load(x + i, count...), y + i, count...); });
  } else {
    // Integers do not convert to Bf16 directly.
    using Via = std::conditional_t<std::is_integral_v<From> && std::is_integral_v<To>, To, double>;
    for (int64_t i = 0; i < n; ++i) y[i] = static_cast<To>(static_cast<Via>(x[i]));
  }
}

void CastCpu(const CastArgs& args) {
  DispatchAny(args.from, [&]<typename From>() {
    DispatchAny(args.to, [&]<typename To>() {
      const From* x = static_cast<const From*>(args.x);
      To* y = static_cast<To*>(args.y);
      ParallelBlocks(args.size, kCheap, [&](int64_t begin, int64_t end) {
        Convert(x + begin, y + begin, end - begin);
      });
    });
  });
}

PALIMPSEST_REGISTER_KERNEL(cast, kCpu, CastCpu);

}  // namespace
}  // namespace palimpsest
