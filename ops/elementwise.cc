#include "ops/elementwise.h"

#include <utility>

#include "core/op_scope.h"
#include "core/tape.h"
#include "ops/broadcast.h"
#include "ops/run_elementwise.h"

namespace palimpsest {
namespace {

// a + b, in a's buffer if no one else can see it. How tapes sum cotangents.
Tensor Accumulate(Tensor a, const Tensor& b) {
  const bool in_place = a.Unique() && a.shape() == b.shape() && !IsTracked(a) && !IsTracked(b);
  if (!in_place) return Add(a, b);
  const OpScope scope("accumulate");
  return RunBinary(BinaryOp::kAdd, a, b, 0.0, 0.0, a);
}

[[maybe_unused]] const bool registered_accumulate = SetAccumulate(Accumulate);

Tensor Constant(double value, const Tensor& like) {
  return Tensor::Full({}, value, like.dtype(), like.device());
}

// dy where a beats b, half of it where they are equal.
Tensor Share(const Tensor& dy, const Tensor& a, const Tensor& b) {
  return SumTo(Mul(dy, RunBinary(BinaryOp::kStep, a, b)), a.shape());
}

}  // namespace

Tensor Add(const Tensor& a, const Tensor& b) {
  const OpScope scope("add");
  return Record(RunBinary(BinaryOp::kAdd, a, b),
                {{a, [s = a.shape()](const Tensor& dy) { return SumTo(dy, s); }},
                 {b, [s = b.shape()](const Tensor& dy) { return SumTo(dy, s); }}});
}

Tensor Add(const Tensor& x, double c) {
  const OpScope scope("add");
  return Record(RunUnary(UnaryOp::kAddConstant, x, c), {{x, [](const Tensor& dy) { return dy; }}});
}

Tensor Sub(const Tensor& a, const Tensor& b) {
  const OpScope scope("sub");
  return Record(RunBinary(BinaryOp::kSub, a, b),
                {{a, [s = a.shape()](const Tensor& dy) { return SumTo(dy, s); }},
                 {b, [s = b.shape()](const Tensor& dy) { return Neg(SumTo(dy, s)); }}});
}

Tensor Mul(const Tensor& a, const Tensor& b) {
  const OpScope scope("mul");
  return Record(RunBinary(BinaryOp::kMul, a, b),
                {{a, [a, b](const Tensor& dy) { return SumTo(Mul(dy, b), a.shape()); }},
                 {b, [a, b](const Tensor& dy) { return SumTo(Mul(dy, a), b.shape()); }}});
}

Tensor Mul(const Tensor& x, double c) {
  const OpScope scope("mul");
  return Record(RunUnary(UnaryOp::kMulConstant, x, c),
                {{x, [c](const Tensor& dy) { return Mul(dy, c); }}});
}

Tensor Div(const Tensor& a, const Tensor& b) {
  const OpScope scope("div");
  const Tensor y = RunBinary(BinaryOp::kDiv, a, b);
  return Record(
      y, {{a, [a, b](const Tensor& dy) { return SumTo(Div(dy, b), a.shape()); }},
          {b, [b, y](const Tensor& dy) { return Neg(SumTo(Div(Mul(dy, y), b), b.shape())); }}});
}

Tensor Pow(const Tensor& x, const Tensor& p) {
  const OpScope scope("pow");
  const Tensor y = RunBinary(BinaryOp::kPow, x, p);
  return Record(
      y, {{x,
           [x, p](const Tensor& dy) {
             return SumTo(Mul(dy, Mul(p, Pow(x, Add(p, -1.0)))), x.shape());
           }},
          {p, [x, p, y](const Tensor& dy) { return SumTo(Mul(dy, Mul(y, Log(x))), p.shape()); }}});
}

Tensor Maximum(const Tensor& a, const Tensor& b) {
  const OpScope scope("maximum");
  return Record(RunBinary(BinaryOp::kMaximum, a, b),
                {{a, [a, b](const Tensor& dy) { return Share(dy, a, b); }},
                 {b, [a, b](const Tensor& dy) { return Share(dy, b, a); }}});
}

Tensor Minimum(const Tensor& a, const Tensor& b) {
  const OpScope scope("minimum");
  const auto share = [](const Tensor& dy, const Tensor& a, const Tensor& b) {
    return SumTo(Mul(dy, RunBinary(BinaryOp::kStep, b, a)), a.shape());
  };
  return Record(RunBinary(BinaryOp::kMinimum, a, b),
                {{a, [=](const Tensor& dy) { return share(dy, a, b); }},
                 {b, [=](const Tensor& dy) { return share(dy, b, a); }}});
}

Tensor Greater(const Tensor& a, const Tensor& b) {
  const OpScope scope("greater");
  return RunBinary(BinaryOp::kGreater, a, b);
}

Tensor GreaterEqual(const Tensor& a, const Tensor& b) {
  const OpScope scope("greater_equal");
  return RunBinary(BinaryOp::kGreaterEqual, a, b);
}

Tensor Equal(const Tensor& a, const Tensor& b) {
  const OpScope scope("equal");
  return RunBinary(BinaryOp::kEqual, a, b);
}

Tensor Where(const Tensor& mask, const Tensor& a, const Tensor& b) {
  const OpScope scope("where");
  return Record(RunWhere(mask, a, b),
                {{a, [mask, s = a.shape()](
                         const Tensor& dy) { return SumTo(Where(mask, dy, Constant(0, dy)), s); }},
                 {b, [mask, s = b.shape()](const Tensor& dy) {
                    return SumTo(Where(mask, Constant(0, dy), dy), s);
                  }}});
}

Tensor Cast(const Tensor& x, DType dtype) {
  const OpScope scope("cast");
  if (x.dtype() == dtype) return x;
  const Tensor y = RunCast(x, dtype);
  if (!IsFloat(dtype) || !IsFloat(x.dtype())) return y;
  return Record(y, {{x, [from = x.dtype()](const Tensor& dy) { return Cast(dy, from); }}});
}

}  // namespace palimpsest
