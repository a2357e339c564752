#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "gpu/kernel_problem.h"
#include "kernels/causal_attention.h"
#include "kernels/causal_attention_vjp.h"
#include "kernels/gemm.h"

namespace palimpsest {
namespace {

// Products of a linear layer y = x W^T: itself, onto what is there, and its gradients.
Problem GemmProblem(const Maker& make, const char* name, DType dtype, bool tf32) {
  const std::string what = name;
  const int64_t tokens = make.Tokens(16384), in = 4096, out = 4096;
  Tensor x = make.In({tokens, in}, dtype), dy = make.In({tokens, out}, dtype);
  Tensor w = make.In({out, in}, dtype, 1.0 / 64.0);
  Tensor y = what == "dW" ? make.Out({out, in}, dtype)
                          : make.Out({tokens, what == "dx" ? in : out}, dtype);
  const Tensor add = what == "y+=" ? y : Tensor();
  GemmArgs g{.m = y.dim(0), .n = y.dim(1), .k = what == "dW" ? tokens : what == "dx" ? out : in};
  g.trans_a = what == "dW", g.trans_b = what == "y" || what == "y+=";
  const Tensor& a = what == "y" || what == "y+=" ? x : dy;
  const Tensor& b = what == "dW" ? x : w;
  g.a = {a.raw(), a.dim(1)}, g.b = {b.raw(), b.dim(1)}, g.c = {y.mutable_raw(), y.dim(1)};
  g.dtype = g.out = dtype;
  if (add) g.add = add.raw();
  const double work = 2.0 * static_cast<double>(tokens) * static_cast<double>(in * out);
  const auto run = [=, device = make.device(), keep = std::vector<Tensor>{x, dy, w, y}] {
    AllowTf32(tf32);
    gemm(device, g);
    AllowTf32(false);
  };
  return {absl::StrFormat("%s %s %s", name,
                          tf32                    ? "tf32"
                          : dtype == DType::kBf16 ? "bf16"
                                                  : "f32",
                          Size(y)),
          work, Bytes({a, b, y}) + (add ? Bytes({y}) : 0.0), run};
}

Problem AttentionProblem(const Maker& make, int64_t window, bool backward) {
  CausalAttentionArgs args{.batch = 4, .time = make.Tokens(4096), .heads = 16, .kv_heads = 16};
  args.source = args.time, args.key = args.value = 128, args.window = window;
  args.scale = 1.0 / std::sqrt(128.0), args.dtype = DType::kBf16;
  const Shape shape = {args.batch, args.time, args.heads, args.key};
  const Tensor q = make.In(shape, args.dtype), k = make.In(shape, args.dtype),
               v = make.In(shape, args.dtype), dy = make.In(shape, args.dtype);
  Tensor y = make.Out(shape, args.dtype), dq = y, dk = y, dv = y;
  Tensor lse = make.Out({args.batch, args.heads, args.time}, DType::kF32);
  if (backward) {
    dq = make.Out(shape, args.dtype), dk = make.Out(shape, args.dtype);
    dv = make.Out(shape, args.dtype);
  }
  args.q = q.raw(), args.k = k.raw(), args.v = v.raw();
  args.y = y.mutable_raw(), args.lse = lse.mutable_raw();
  CausalAttentionVjpArgs vjp{.forward = args, .y = y.raw(), .lse = lse.raw(), .dy = dy.raw()};
  vjp.dq = dq.mutable_raw(), vjp.dk = dk.mutable_raw(), vjp.dv = dv.mutable_raw();
  // Pairs of a query and a key it sees; forward multiplies twice, backward five times.
  const double t = static_cast<double>(args.time);
  const double w = window == 0 ? t : std::min(t, static_cast<double>(window));
  const double pairs =
      static_cast<double>(args.batch * args.heads) * (w * (t - w) + w * (w + 1) / 2);
  const double forward = 2.0 * 2.0 * pairs * static_cast<double>(args.key);
  const double bytes = Bytes({q, k, v, y, lse});
  const auto run = [=, device = make.device(),
                    keep = std::vector<Tensor>{q, k, v, dy, dq, dk, dv}] {
    causal_attention(device, args);
    if (backward) causal_attention_vjp(device, vjp);
  };
  return {absl::StrFormat("%s%s bf16 %s", backward ? "fwd+bwd" : "fwd",
                          window > 0 ? absl::StrCat(" window ", window) : "", Size(q)),
          backward ? 3.5 * forward : forward,
          backward ? 2.0 * bytes + Bytes({dy, dq, dk, dv}) : bytes, run};
}

}  // namespace

Problems GemmProblems(const Maker& make) {
  Problems all;
  for (const char* name : {"y", "y+=", "dx", "dW"}) {
    all.push_back([=, &make] { return GemmProblem(make, name, DType::kBf16, false); });
  }
  for (const bool tf32 : {false, true}) {
    if (tf32 && make.device() == Device::kCpu) continue;
    all.push_back([=, &make] { return GemmProblem(make, "y", DType::kF32, tf32); });
  }
  return all;
}

Problems AttentionProblems(const Maker& make) {
  Problems all;
  for (const int64_t window : {int64_t{0}, make.Tokens(1024)}) {
    for (const bool backward : {false, true})
      all.push_back([=, &make] { return AttentionProblem(make, window, backward); });
  }
  return all;
}

}  // namespace palimpsest
