#include "core/op_scope.h"
#include "core/tape.h"
#include "kernels/elementwise.h"
#include "ops/elementwise.h"
#include "ops/flop_count.h"
#include "ops/run_elementwise.h"

namespace palimpsest {
namespace {

Tensor Gated(GateFunction function, const Tensor& gate, const Tensor& x) {
  PALIMPSEST_CHECK(IsFloat(x.dtype()) && gate.dtype() == x.dtype() && gate.shape() == x.shape() &&
                   gate.device() == x.device())
      << "gate " << gate << " and " << x << ": one shape and dtype are needed";
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
    const bool sigmoid = function == GateFunction::kSigmoid;
    return {Mul(sigmoid ? Sigmoid(in[0]) : Silu(in[0]), in[1])};
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
