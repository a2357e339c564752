#include <functional>
#include <utility>

#include "core/op_scope.h"
#include "core/tape.h"
#include "ops/elementwise.h"
#include "ops/run_elementwise.h"

namespace palimpsest {
namespace {

using Vjp = std::function<Tensor(const Tensor& dy)>;

// dx = f'(x) dy in one pass, linear in dy: its own derivatives are f'(x) ddx and, by `second`,
// f''(x) dy ddx. `saved` is x, or y where f' is said in terms of it. `second` is empty where it is
// 0.
Tensor Slope(BinaryOp op, const Tensor& saved, const Tensor& dy,
             std::function<Tensor(const Tensor& saved, const Tensor& dy_ddx)> second,
             double p = 0.0, double q = 0.0) {
  Vjp to_saved;
  if (second) to_saved = [=](const Tensor& ddx) { return second(saved, Mul(dy, ddx)); };
  return Record(RunBinary(op, saved, dy, p, q),
                {{saved, std::move(to_saved)},
                 {dy, [=](const Tensor& ddx) { return Slope(op, saved, ddx, second, p, q); }}});
}

// y = f(x) whose second derivative is a kernel; the third goes through `second`, that in ops.
Tensor Curvature(UnaryOp op, const Tensor& x, Tensor (*second)(const Tensor& x)) {
  return Record(RunUnary(op, x), {{x, [x, second](const Tensor& dy) {
                                     Tape tape;
                                     tape.Watch(x);
                                     return tape.Gradient(second(x), {x}, dy)[0];
                                   }}});
}

// s (1 - s) (2 + x (1 - 2 s)) for s = sigmoid(x).
Tensor SiluSecond(const Tensor& x) {
  const Tensor s = Sigmoid(x), rest = Add(Neg(s), 1.0);
  return Mul(Mul(s, rest), Add(Mul(x, Sub(rest, s)), 2.0));
}

// phi(x) (2 - x^2) for the normal density phi.
Tensor GeluSecond(const Tensor& x) {
  const Tensor square = Mul(x, x);
  return Mul(Mul(Exp(Mul(square, -0.5)), 0.39894228040143267794), Add(Neg(square), 2.0));
}

Tensor SigmoidGrad(const Tensor& y, const Tensor& dy) {
  return Slope(BinaryOp::kSigmoidGrad, y, dy, [](const Tensor& y, const Tensor& dy_ddx) {
    return Mul(dy_ddx, Add(Mul(y, -2.0), 1.0));
  });
}

}  // namespace

Tensor Neg(const Tensor& x) {
  const OpScope scope("neg");
  return Record(RunUnary(UnaryOp::kNeg, x), {{x, [](const Tensor& dy) { return Neg(dy); }}});
}

Tensor Exp(const Tensor& x) {
  const OpScope scope("exp");
  const Tensor y = RunUnary(UnaryOp::kExp, x);
  return Record(y, {{x, [y](const Tensor& dy) { return Mul(dy, y); }}});
}

Tensor Log(const Tensor& x) {
  const OpScope scope("log");
  return Record(RunUnary(UnaryOp::kLog, x), {{x, [x](const Tensor& dy) { return Div(dy, x); }}});
}

Tensor Sqrt(const Tensor& x) {
  const OpScope scope("sqrt");
  const Tensor y = RunUnary(UnaryOp::kSqrt, x);
  return Record(y, {{x, [y](const Tensor& dy) { return Mul(Div(dy, y), 0.5); }}});
}

Tensor Rsqrt(const Tensor& x) {
  const OpScope scope("rsqrt");
  const Tensor y = RunUnary(UnaryOp::kRsqrt, x);
  return Record(y, {{x, [y](const Tensor& dy) { return Mul(Mul(dy, Pow(y, 3.0)), -0.5); }}});
}

Tensor Pow(const Tensor& x, double p) {
  const OpScope scope("pow");
  const Tensor y = RunUnary(UnaryOp::kPowConstant, x, p);
  // x^0 is constant; p x^(p-1) would be 0 times infinity at 0.
  if (p == 0.0) return y;
  return Record(y, {{x, [x, p](const Tensor& dy) { return Mul(Mul(dy, Pow(x, p - 1.0)), p); }}});
}

Tensor Tanh(const Tensor& x) {
  const OpScope scope("tanh");
  const Tensor y = RunUnary(UnaryOp::kTanh, x);
  return Record(y, {{x, [y](const Tensor& dy) {
                       return Slope(BinaryOp::kTanhGrad, y, dy,
                                    [](const Tensor& y, const Tensor& dy_ddx) {
                                      return Mul(Mul(dy_ddx, y), -2.0);
                                    });
                     }}});
}

Tensor Sigmoid(const Tensor& x) {
  const OpScope scope("sigmoid");
  const Tensor y = RunUnary(UnaryOp::kSigmoid, x);
  return Record(y, {{x, [y](const Tensor& dy) { return SigmoidGrad(y, dy); }}});
}

Tensor Silu(const Tensor& x) {
  const OpScope scope("silu");
  return Record(RunUnary(UnaryOp::kSilu, x),
                {{x, [x](const Tensor& dy) {
                    return Slope(
                        BinaryOp::kSiluGrad, x, dy, [](const Tensor& x, const Tensor& dy_ddx) {
                          return Mul(dy_ddx, Curvature(UnaryOp::kSiluSecond, x, SiluSecond));
                        });
                  }}});
}

Tensor Gelu(const Tensor& x) {
  const OpScope scope("gelu");
  return Record(RunUnary(UnaryOp::kGelu, x),
                {{x, [x](const Tensor& dy) {
                    return Slope(
                        BinaryOp::kGeluGrad, x, dy, [](const Tensor& x, const Tensor& dy_ddx) {
                          return Mul(dy_ddx, Curvature(UnaryOp::kGeluSecond, x, GeluSecond));
                        });
                  }}});
}

Tensor Softplus(const Tensor& x) {
  const OpScope scope("softplus");
  return Record(RunUnary(UnaryOp::kSoftplus, x), {{x, [x](const Tensor& dy) {
                                                     return Slope(
                                                         BinaryOp::kSoftplusGrad, x, dy,
                                                         [](const Tensor& x, const Tensor& dy_ddx) {
                                                           return SigmoidGrad(Sigmoid(x), dy_ddx);
                                                         });
                                                   }}});
}

Tensor Relu(const Tensor& x) {
  const OpScope scope("relu");
  return Record(RunUnary(UnaryOp::kRelu, x),
                {{x, [x](const Tensor& dy) { return Slope(BinaryOp::kReluGrad, x, dy, {}); }}});
}

Tensor Clamp(const Tensor& x, double low, double high) {
  const OpScope scope("clamp");
  return Record(
      RunUnary(UnaryOp::kClamp, x, low, high),
      {{x, [=](const Tensor& dy) { return Slope(BinaryOp::kClampGrad, x, dy, {}, low, high); }}});
}

Tensor Abs(const Tensor& x) {
  const OpScope scope("abs");
  return Record(RunUnary(UnaryOp::kAbs, x),
                {{x, [x](const Tensor& dy) { return Mul(dy, Sign(x)); }}});
}

Tensor Sign(const Tensor& x) {
  const OpScope scope("sign");
  return RunUnary(UnaryOp::kSign, x);
}

}  // namespace palimpsest
