#include "core/op_scope.h"
#include "core/tape.h"
#include "kernels/elementwise.h"
#include "ops/elementwise.h"
#include "ops/flop_count.h"
#include "ops/run_elementwise.h"

namespace palimpsest {
namespace {

Tensor Composed(GateFunction function, const Tensor& gate, const Tensor& x) {
  return Mul(function == GateFunction::kSigmoid ? Sigmoid(gate) : Silu(gate), x);
}

Tensor Gated(GateFunction function, const Tensor& gate, const Tensor& x) {
  PALIMPSEST_CHECK(IsFloat(x.dtype()) && gate.dtype() == x.dtype() && gate.shape() == x.shape() &&
                   gate.device() == x.device())
      << "gate " << gate << " and " << x << ": one shape and dtype are needed";
  if (ComposedScope::Active()) return Composed(function, gate, x);  // Counted once.
  const Tensor y = RunBinary(
      function == GateFunction::kSilu ? BinaryOp::kSiluMul : BinaryOp::kSoftplusGrad, gate, x);
  FlopCount::Add(x.size());
  const JointVjp vjp = [=](const Tensors& dys) -> Tensors {
    Tensor dgate = Tensor::Empty(x.shape(), x.dtype(), x.device());
    Tensor dx = Tensor::Empty(x.shape(), x.dtype(), x.device());
    FlopCount::Add(3 * x.size());
    gated_vjp(x.device(), {function, x.dtype(), x.size(), gate.raw(), x.raw(), dys[0].raw(),
                           dgate.mutable_raw(), dx.mutable_raw()});
    return {dgate, dx};
  };
  return RecordFused({y}, {gate, x}, vjp, [=](const Tensors& in) -> Tensors {
    return {Composed(function, in[0], in[1])};
  })[0];
}

}  // namespace

Tensor SiluMul(const Tensor& gate, const Tensor& x) {
  const OpScope scope("silu_mul");
  return Gated(GateFunction::kSilu, gate, x);
}

Tensor SigmoidMul(const Tensor& gate, const Tensor& x) {
  const OpScope scope("sigmoid_mul");
  return Gated(GateFunction::kSigmoid, gate, x);
}

}  // namespace palimpsest
