#include "optim/in_place.h"

#include <algorithm>
#include <cmath>

#include "core/tape.h"
#include "kernels/elementwise.h"
#include "kernels/ema.h"
#include "kernels/rms_step.h"
#include "ops/elementwise.h"
#include "optim/level.h"

namespace palimpsest {

bool MayUseKernels(std::initializer_list<const Tensor*> tensors) {
  const auto tracked = [](const Tensor* x) { return *x && IsTracked(*x); };
  return !ComposedScope::Active() && std::none_of(tensors.begin(), tensors.end(), tracked);
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
  const bool is_memory = !options.lookahead && options.read_scale == 1.0;
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
                     .read_scale = options.read_scale,
                     .lookahead = options.lookahead});
  }
  return is_memory ? m.WithShape(g.shape()) : read;
}

void StepDown(Tensor& param, const Tensor& u, const Tensor& keep, const Tensor& step) {
  if (!ema.Has(param.device()) || !MayUseKernels({&param, &u, &keep, &step})) {
    param = Sub(Mul(param, ScalarLike(keep, param)), Mul(u, ScalarLike(step, u)));
    return;
  }
  Replacement p(param);
  ema(param.device(), {.dtype = param.dtype(),
                       .size = param.size(),
                       .m = p.from(),
                       .grad = u.raw(),
                       .m_out = p.to(),
                       .keep = keep.Item(),
                       .write = -step.Item()});
}

void RmsStepDown(Tensor& param, const Tensor& u, const Tensor& x, Tensor& v,
                 const RmsStepDownOptions& options) {
  Replacement p(param), squares(v);
  rms_step(param.device(), {.dtype = param.dtype(),
                            .size = param.size(),
                            .param = p.from(),
                            .u = u.raw(),
                            .x = x.raw(),
                            .v = squares.from(),
                            .param_out = p.to(),
                            .v_out = squares.to(),
                            .keep_param = options.keep,
                            .step = options.step,
                            .keep_v = options.keep_v,
                            .write_v = 1.0 - options.keep_v,
                            .root_scale = 1.0 / std::sqrt(options.correction),
                            .eps = options.eps});
}

}  // namespace palimpsest
