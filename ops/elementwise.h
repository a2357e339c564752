#ifndef OPS_ELEMENTWISE_H_
#define OPS_ELEMENTWISE_H_

#include "core/tensor.h"

namespace palimpsest {

// Elementwise with numpy broadcasting. Operands have one dtype: there is no promotion, `Cast` is an
// op. A double operand is a constant without gradient.
Tensor Add(const Tensor& a, const Tensor& b);
Tensor Add(const Tensor& x, double c);
Tensor Sub(const Tensor& a, const Tensor& b);
Tensor Mul(const Tensor& a, const Tensor& b);
Tensor Mul(const Tensor& x, double c);
Tensor Div(const Tensor& a, const Tensor& b);
// x^p: a power of a tensor needs x > 0 for its gradient; a constant one follows std::pow.
Tensor Pow(const Tensor& x, const Tensor& p);
Tensor Pow(const Tensor& x, double p);
// Where a == b each gets half of the gradient.
Tensor Maximum(const Tensor& a, const Tensor& b);
Tensor Minimum(const Tensor& a, const Tensor& b);

Tensor Neg(const Tensor& x);
Tensor Exp(const Tensor& x);
Tensor Log(const Tensor& x);
Tensor Sqrt(const Tensor& x);
Tensor Rsqrt(const Tensor& x);
Tensor Tanh(const Tensor& x);
Tensor Sigmoid(const Tensor& x);
Tensor Silu(const Tensor& x);      // x sigmoid(x)
Tensor Gelu(const Tensor& x);      // x Phi(x), exact (Hendrycks & Gimpel 2016)
Tensor Softplus(const Tensor& x);  // log(1 + e^x), without overflow
Tensor Relu(const Tensor& x);      // gradient 0 at 0
Tensor Abs(const Tensor& x);       // gradient 0 at 0
Tensor Sign(const Tensor& x);      // no gradient
// min(max(x, low), high); gradient 1 on [low, high], 0 outside.
Tensor Clamp(const Tensor& x, double low, double high);

// silu(gate) x and sigmoid(gate) x, of one shape, in one pass forward and one backward: what gates
// in models are made by (SwiGLU, Shazeer 2020).
Tensor SiluMul(const Tensor& gate, const Tensor& x);
Tensor SigmoidMul(const Tensor& gate, const Tensor& x);

// Masks are i32, 0 or 1. No gradient.
Tensor Greater(const Tensor& a, const Tensor& b);
Tensor GreaterEqual(const Tensor& a, const Tensor& b);
Tensor Equal(const Tensor& a, const Tensor& b);
// a where mask != 0, else b; all three broadcast. The branch not taken gets gradient 0, even if it
// is NaN.
Tensor Where(const Tensor& mask, const Tensor& a, const Tensor& b);

// Between any two dtypes; between floats with gradient.
Tensor Cast(const Tensor& x, DType dtype);

}  // namespace palimpsest

#endif  // OPS_ELEMENTWISE_H_
