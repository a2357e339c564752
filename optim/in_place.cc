#include "optim/in_place.h"

#include <algorithm>

#include "core/tape.h"
#include "kernels/elementwise.h"
#include "kernels/ema.h"
#include "kernels/rms_step.h"
#include "ops/elementwise.h"
#include "optim/level.h"

namespace palimpsest {
namespace {

// Of the parameter, and of u.
Scalar KeepOf(const StepSize& size) {
  return size.weight_decay ? ScalarOf(size.lr, -size.weight_decay.Item(), 1.0) : 1.0;
}
Scalar StepOf(const StepSize& size, double sign = 1.0) {
  return size.whole ? sign : ScalarOf(size.lr, sign * size.scale);
}

Tensor StepDownByOps(const Tensor& param, const Tensor& u, const StepSize& size) {
  const Tensor& lr = size.lr;
  Tensor kept = param;
  if (size.weight_decay) {
    const Tensor decay = Mul(lr, ScalarOn(lr.device(), size.weight_decay));
    kept = Mul(param, ScalarLike(Add(Neg(decay), 1.0), param));
  }
  return Sub(kept, size.whole ? u : Mul(u, ScalarLike(Mul(lr, size.scale), u)));
}

}  // namespace

bool MayUseKernels(std::initializer_list<const Tensor*> tensors) {
  const auto tracked = [](const Tensor* x) { return *x && IsTracked(*x); };
  return !ComposedScope::Active() && std::none_of(tensors.begin(), tensors.end(), tracked);
}

Scalar ScalarOf(const Tensor& x, double times, double plus) {
  if (HostReads(x)) return times * x.Item() + plus;
  return Scalar(x.data<double>(), times, plus);
}

void Replace(Tensor& x, const Tensor& replacement, const Tensor& taken) {
  if (!MayUseKernels({&x, &replacement})) {
    x = Where(taken, replacement, x);
    return;
  }
  Replacement to(x);
  where(x.device(), {.dtype = x.dtype(),
                     .rank = 1,
                     .shape = {x.size()},
                     .mask_strides = {0},
                     .a_strides = {1},
                     .b_strides = {1},
                     .mask = taken.data<int32_t>(),
                     .a = replacement.raw(),
                     .b = to.from(),
                     .out = to.to()});
}

std::optional<Tensor> WriteAverage(Tensor& m, const Tensor& g, const WriteAverageOptions& options) {
  if (!ema.Has(m.device())) return {};
  const bool is_memory = !options.lookahead && !options.corrected;
  Tensor read = is_memory ? Tensor() : Tensor::Empty(g.shape(), g.dtype(), g.device());
  {
    Replacement memory(m);
    ema(m.device(), {.dtype = m.dtype(),
                     .size = m.size(),
                     .m = memory.from(),
                     .grad = g.raw(),
                     .m_out = memory.to(),
                     .read = is_memory ? nullptr : read.mutable_raw(),
                     .keep = options.keep,
                     .write = options.strength,
                     .lookahead = options.lookahead,
                     .corrected = options.corrected,
                     .writes = options.writes});
  }
  return is_memory ? m.WithShape(g.shape()) : read;
}

void StepDown(Tensor& param, const Tensor& u, const StepSize& size) {
  if (!ema.Has(param.device()) || !MayUseKernels({&param, &u, &size.lr, &size.weight_decay})) {
    param = StepDownByOps(param, u, size);
    return;
  }
  Replacement p(param);
  ema(param.device(), {.dtype = param.dtype(),
                       .size = param.size(),
                       .m = p.from(),
                       .grad = u.raw(),
                       .m_out = p.to(),
                       .keep = KeepOf(size),
                       .write = StepOf(size, -1.0)});
}

void RmsStepDown(Tensor& param, const Tensor& u, const StepSize& size, const Tensor& x, Tensor& v,
                 const SquaresOptions& squares) {
  Replacement p(param), average(v);
  rms_step(param.device(), {.dtype = param.dtype(),
                            .size = param.size(),
                            .param = p.from(),
                            .u = u.raw(),
                            .x = x.raw(),
                            .v = average.from(),
                            .param_out = p.to(),
                            .v_out = average.to(),
                            .keep_param = KeepOf(size),
                            .step = StepOf(size),
                            .keep_v = squares.keep,
                            .write_v = 1.0 - squares.keep,
                            .eps = squares.eps,
                            .corrected = squares.corrected,
                            .writes = squares.writes});
}

}  // namespace palimpsest
