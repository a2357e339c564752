#ifndef KERNELS_ELEMENTWISE_H_
#define KERNELS_ELEMENTWISE_H_

#include <cstdint>

#include "core/dtype.h"
#include "core/kernel.h"

namespace palimpsest {

enum class UnaryOp : uint8_t {
  kNeg,
  kExp,
  kLog,
  kSqrt,
  kRsqrt,
  kTanh,
  kSigmoid,
  kSilu,
  kGelu,
  kSoftplus,
  kRelu,
  kAbs,
  kSign,
  kAddConstant,  // x + p
  kMulConstant,  // p x
  kPowConstant,  // x^p as std::pow
  kClamp,        // min(max(x, p), q); NaN stays NaN
  kSiluSecond,   // silu''(x)
  kGeluSecond,   // gelu''(x)
};

// y_i = op(x_i). y may be x. Constants are rounded to the dtype (f32 for bf16).
struct UnaryArgs {
  UnaryOp op;
  DType dtype;  // f64, f32, bf16 (computed in f32)
  int64_t size;
  const void* x;
  void* y;
  double p = 0.0, q = 0.0;
};
extern Kernel<void(const UnaryArgs&)> unary;

enum class BinaryOp : uint8_t {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kPow,
  kMaximum,  // NaN if either is
  kMinimum,
  kSiluMul,  // silu(a) b
  kStep,     // 1 where a > b, 1/2 where a == b, else 0
  // Gradients f'(a) b.
  kReluGrad,
  kClampGrad,  // b where p <= a <= q, else 0
  kSiluGrad,
  kGeluGrad,
  kSoftplusGrad,  // That is sigmoid(a) b.
  // Gradients in terms of the result a = f(x).
  kTanhGrad,     // (1 - a^2) b
  kSigmoidGrad,  // a (1 - a) b
  // i32 masks of any dtype.
  kGreater,
  kGreaterEqual,
  kEqual,
};

inline constexpr int kMaxBroadcastRank = 8;

// out = op(a, b), each operand read with strides in elements, 0 where it is repeated. Axes are
// merged as far as the operands allow: rank >= 1, and along the last axis each stride is 0 or 1.
// out is dense; it may be a or b if that one is dense too.
struct BinaryArgs {
  BinaryOp op;
  DType dtype;  // Of a and b. Integers: kAdd, kSub, kMul, kMaximum, kMinimum and the masks.
  int rank;
  int64_t shape[kMaxBroadcastRank];
  int64_t a_strides[kMaxBroadcastRank], b_strides[kMaxBroadcastRank];
  const void *a, *b;
  void* out;
  double p = 0.0, q = 0.0;
};
extern Kernel<void(const BinaryArgs&)> binary;

// out = a where mask != 0, else b. Strides as above; out may be a or b if that one is dense.
struct WhereArgs {
  DType dtype;
  int rank;
  int64_t shape[kMaxBroadcastRank];
  int64_t mask_strides[kMaxBroadcastRank], a_strides[kMaxBroadcastRank],
      b_strides[kMaxBroadcastRank];
  const int32_t* mask;
  const void *a, *b;
  void* out;
};
extern Kernel<void(const WhereArgs&)> where;

// Of y_i = f(gate_i) x_i with f silu (kSiluMul) or sigmoid (kSoftplusGrad), in one pass:
// dgate_i = f'(gate_i) x_i dy_i, dx_i = f(gate_i) dy_i.
enum class GateFunction : uint8_t { kSilu, kSigmoid };
struct GatedVjpArgs {
  GateFunction function;
  DType dtype;
  int64_t size;
  const void *gate, *x, *dy;
  void *dgate, *dx;
};
extern Kernel<void(const GatedVjpArgs&)> gated_vjp;

// y_i = x_i in another dtype; floats to integers truncate.
struct CastArgs {
  DType from, to;
  int64_t size;
  const void* x;
  void* y;
};
extern Kernel<void(const CastArgs&)> cast;

}  // namespace palimpsest

#endif  // KERNELS_ELEMENTWISE_H_
