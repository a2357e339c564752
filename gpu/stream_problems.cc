#include "absl/strings/str_format.h"
#include "gpu/kernel_problem.h"
#include "kernels/adamw.h"
#include "kernels/causal_conv1d.h"
#include "kernels/copy.h"
#include "kernels/cross_entropy.h"
#include "kernels/elementwise.h"
#include "kernels/norm.h"
#include "kernels/softmax.h"

namespace palimpsest {
namespace {

Problem UnaryProblem(const Maker& make, DType dtype) {
  const Tensor x = make.In({make.Tokens(16384), 4096}, dtype);
  Tensor y = make.Out(x.shape(), dtype);
  const UnaryArgs args{UnaryOp::kSilu, dtype, x.size(), x.raw(), y.mutable_raw()};
  return {absl::StrFormat("silu %s %s", Name(dtype), Size(x)), static_cast<double>(x.size()),
          Bytes({x, y}),
          [=, device = make.device(), keep = std::vector<Tensor>{x, y}] { unary(device, args); }};
}

Problem BinaryProblem(const Maker& make, DType dtype, bool broadcast) {
  const int64_t rows = make.Tokens(16384), n = 4096;
  const Tensor a = make.In({rows, n}, dtype);
  const Tensor b = broadcast ? make.In({n}, dtype) : make.In({rows, n}, dtype);
  Tensor out = make.Out({rows, n}, dtype);
  BinaryArgs args{.op = BinaryOp::kMul,
                  .dtype = dtype,
                  .rank = 2,
                  .shape = {rows, n},
                  .a_strides = {n, 1},
                  .b_strides = {broadcast ? 0 : n, 1},
                  .a = a.raw(),
                  .b = b.raw(),
                  .out = out.mutable_raw()};
  if (!broadcast)
    args.rank = 1, args.shape[0] = rows * n, args.a_strides[0] = args.b_strides[0] = 1;
  return {
      absl::StrFormat("mul %s %s%s", Name(dtype), Size(a), broadcast ? " by rows" : ""),
      static_cast<double>(a.size()), Bytes({a, b, out}),
      [=, device = make.device(), keep = std::vector<Tensor>{a, b, out}] { binary(device, args); }};
}

Problem SiluMulProblem(const Maker& make, bool backward) {
  const int64_t rows = make.Tokens(16384), n = 4096;
  const DType dtype = DType::kBf16;
  const Tensor gate = make.In({rows, n}, dtype), x = make.In({rows, n}, dtype),
               dy = make.In({rows, n}, dtype);
  Tensor y = make.Out({rows, n}, dtype), dx = make.Out({rows, n}, dtype);
  const BinaryArgs args{.op = BinaryOp::kSiluMul,
                        .dtype = dtype,
                        .rank = 1,
                        .shape = {rows * n},
                        .a_strides = {1},
                        .b_strides = {1},
                        .a = gate.raw(),
                        .b = x.raw(),
                        .out = y.mutable_raw()};
  const GatedVjpArgs vjp{GateFunction::kSilu, dtype,           rows * n,
                         gate.raw(),          x.raw(),         dy.raw(),
                         y.mutable_raw(),     dx.mutable_raw()};
  const auto size = static_cast<double>(x.size());
  return {absl::StrFormat("silu mul %s bf16 %s", backward ? "bwd" : "fwd", Size(x)),
          backward ? 6.0 * size : 2.0 * size,
          Bytes({gate, x, y}) + (backward ? Bytes({dy, dx}) : 0.0),
          [=, device = make.device(), keep = std::vector<Tensor>{gate, x, dy, y, dx}] {
            backward ? gated_vjp(device, vjp) : binary(device, args);
          }};
}

Problem NormProblem(const Maker& make, bool backward) {
  const int64_t rows = make.Tokens(16384), n = 4096;
  const DType dtype = DType::kBf16;
  const Tensor x = make.In({rows, n}, dtype), dy = make.In({rows, n}, dtype),
               weight = make.In({n}, dtype);
  Tensor y = make.Out({rows, n}, dtype), dweight = make.Out({n}, dtype);
  const NormArgs args{false,   1.0 / static_cast<double>(n),
                      1e-6,    dtype,
                      rows,    n,
                      x.raw(), weight.raw(),
                      nullptr, y.mutable_raw()};
  const NormGradArgs grad{args, dy.raw(), y.mutable_raw(), dweight.mutable_raw(), nullptr};
  const auto size = static_cast<double>(x.size());
  return {absl::StrFormat("rms %s bf16 %s", backward ? "bwd" : "fwd", Size(x)),
          backward ? 8.0 * size : 4.0 * size,
          Bytes({x, weight, y}) + (backward ? Bytes({dy, dweight}) : 0.0),
          [=, device = make.device(), keep = std::vector<Tensor>{x, dy, weight, y, dweight}] {
            backward ? norm_grad(device, grad) : norm(device, args);
          }};
}

Problem SoftmaxProblem(const Maker& make, bool backward) {
  const int64_t rows = make.Tokens(16384), n = 4096;
  const DType dtype = DType::kBf16;
  const Tensor x = make.In({rows, n}, dtype), dy = make.In({rows, n}, dtype);
  Tensor y = make.Out({rows, n}, dtype);
  const SoftmaxArgs args{false, dtype, rows, n, x.raw(), y.mutable_raw()};
  const SoftmaxGradArgs grad{false, dtype, rows, n, x.raw(), dy.raw(), y.mutable_raw()};
  const auto size = static_cast<double>(x.size());
  return {absl::StrFormat("%s bf16 %s", backward ? "bwd" : "fwd", Size(x)), 4.0 * size,
          Bytes({x, y}) + (backward ? Bytes({dy}) : 0.0),
          [=, device = make.device(), keep = std::vector<Tensor>{x, dy, y}] {
            backward ? softmax_grad(device, grad) : softmax(device, args);
          }};
}

Problem CrossEntropyProblem(const Maker& make, bool backward) {
  const int64_t rows = make.Tokens(16384), classes = 50304;
  const DType dtype = DType::kBf16;
  const Tensor logits = make.In({rows, classes}, dtype);
  const Tensor labels = Tensor::Full({rows}, 7, DType::kI64, make.device());
  const Tensor dloss = Tensor::Full({}, 1.0, DType::kF32, make.device());
  Tensor log_sum = make.Out({rows}, DType::kF32), loss = make.Out({}, DType::kF32);
  Tensor dlogits = backward ? make.Out(logits.shape(), dtype) : loss;
  const CrossEntropyArgs args{dtype,
                              rows,
                              classes,
                              logits.raw(),
                              labels.data<int64_t>(),
                              -100,
                              log_sum.mutable_raw(),
                              loss.mutable_raw()};
  const CrossEntropyGradArgs grad{
      dtype, rows,          classes,     logits.raw(),         labels.data<int64_t>(),
      -100,  log_sum.raw(), dloss.raw(), dlogits.mutable_raw()};
  cross_entropy(make.device(), args);
  const auto size = static_cast<double>(logits.size());
  return {absl::StrFormat("%s bf16 %s", backward ? "bwd" : "fwd", Size(logits)), 3.0 * size,
          Bytes({logits, log_sum}) + (backward ? Bytes({dlogits}) : 0.0),
          [=, device = make.device(),
           keep = std::vector<Tensor>{logits, labels, dloss, log_sum, loss, dlogits}] {
            backward ? cross_entropy_grad(device, grad) : cross_entropy(device, args);
          }};
}

Problem ConvProblem(const Maker& make, bool backward) {
  CausalConv1dArgs args{.batch = 4, .time = make.Tokens(4096), .channels = 4096, .width = 4};
  args.dtype = DType::kBf16;
  const Shape shape = {args.batch, args.time, args.channels};
  const Tensor x = make.In(shape, args.dtype), dy = make.In(shape, args.dtype),
               weight = make.In({args.channels, args.width}, args.dtype);
  Tensor y = make.Out(shape, args.dtype), dweight = make.Out(weight.shape(), args.dtype);
  args.x = x.raw(), args.weight = weight.raw(), args.y = y.mutable_raw();
  CausalConv1dVjpArgs vjp{.forward = args, .dy = dy.raw(), .dx = y.mutable_raw()};
  vjp.dweight = dweight.mutable_raw();
  const double forward = 2.0 * static_cast<double>(x.size() * args.width);
  return {absl::StrFormat("%s bf16 %s", backward ? "bwd" : "fwd", Size(x)),
          backward ? 2.0 * forward : forward,
          Bytes({x, weight, y}) + (backward ? Bytes({dy, dweight}) : 0.0),
          [=, device = make.device(), keep = std::vector<Tensor>{x, dy, weight, y, dweight}] {
            backward ? causal_conv1d_vjp(device, vjp) : causal_conv1d(device, args);
          }};
}

// In place, as a step does it; of bf16 with the f32 master copy.
Problem AdamWProblem(const Maker& make, DType dtype) {
  const int64_t size = make.Tokens(int64_t{1} << 27);
  Tensor param = make.In({size}, DType::kF32, 0.02), grad = make.In({size}, dtype, 1e-3);
  Tensor m = Tensor::Full({size}, 0.0, DType::kF32, make.device()),
         v = Tensor::Full({size}, 1e-6, DType::kF32, make.device());
  Tensor low = dtype == DType::kBf16 ? make.Out({size}, dtype) : Tensor();
  const ParamUpdate update{.dtype = dtype,
                           .size = size,
                           .param = param.raw(),
                           .grad = grad.raw(),
                           .param_out = param.mutable_raw(),
                           .low_out = low ? low.mutable_raw() : nullptr};
  const AdamWArgs args{update, m.raw(), v.raw(), m.mutable_raw(), v.mutable_raw(), 1e-3, 0.9,
                       0.95,   1e-8,    0.1};
  return {absl::StrFormat("%s %d", dtype == DType::kBf16 ? "bf16, f32 master" : "f32", size),
          15.0 * static_cast<double>(size),
          2.0 * Bytes({param, m, v}) + Bytes({grad}) + (low ? Bytes({low}) : 0.0),
          [=, device = make.device(), keep = std::vector<Tensor>{param, grad, m, v, low}] {
            adamw(device, {args});
          }};
}

// [batch, time, heads, dim] as it is, or by heads.
Problem CopyProblem(const Maker& make, bool by_heads) {
  const int64_t batch = 4, time = make.Tokens(4096), heads = 32, dim = 128;
  const Tensor x = make.In({batch, time, heads, dim}, DType::kBf16);
  Tensor y = make.Out({batch, heads, time, dim}, DType::kBf16);
  const CopyArgs dense{2, {x.size()}, {1}, {1}, x.raw(), y.mutable_raw()};
  const CopyArgs permuted{2,
                          {batch, heads, time, dim},
                          {time * heads * dim, dim, heads * dim, 1},
                          DenseStrides(y.shape()),
                          x.raw(),
                          y.mutable_raw()};
  return {absl::StrFormat("%s bf16 %s", by_heads ? "by heads" : "dense", Size(x)), 0.0,
          Bytes({x, y}), [=, device = make.device(), keep = std::vector<Tensor>{x, y}] {
            copy(device, by_heads ? permuted : dense);
          }};
}

template <Problem (*problem)(const Maker&, bool)>
Problems ForwardAndBackward(const Maker& make) {
  return {[&make] { return problem(make, false); }, [&make] { return problem(make, true); }};
}

}  // namespace

Problems ElementwiseProblems(const Maker& make) {
  Problems all;
  for (const DType dtype : {DType::kBf16, DType::kF32}) {
    all.push_back([=, &make] { return UnaryProblem(make, dtype); });
    for (const bool broadcast : {false, true})
      all.push_back([=, &make] { return BinaryProblem(make, dtype, broadcast); });
  }
  for (const bool backward : {false, true})
    all.push_back([=, &make] { return SiluMulProblem(make, backward); });
  return all;
}

Problems AdamWProblems(const Maker& make) {
  return {[&make] { return AdamWProblem(make, DType::kF32); },
          [&make] { return AdamWProblem(make, DType::kBf16); }};
}

Problems NormProblems(const Maker& make) { return ForwardAndBackward<NormProblem>(make); }

Problems SoftmaxProblems(const Maker& make) { return ForwardAndBackward<SoftmaxProblem>(make); }

Problems CrossEntropyProblems(const Maker& make) {
  return ForwardAndBackward<CrossEntropyProblem>(make);
}

Problems ConvProblems(const Maker& make) { return ForwardAndBackward<ConvProblem>(make); }

Problems CopyProblems(const Maker& make) { return ForwardAndBackward<CopyProblem>(make); }

}  // namespace palimpsest
