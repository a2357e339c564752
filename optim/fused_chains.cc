#include "optim/fused_chains.h"

#include <algorithm>
#include <optional>

#include "kernels/adamw.h"
#include "kernels/am_adamw.h"
#include "kernels/am_mgd.h"
#include "kernels/lion.h"
#include "kernels/sgd.h"
#include "optim/in_place.h"

namespace palimpsest {
namespace {

double Value(const ChainStep& step, const char* hyper) { return step.hypers.at(hyper).Item(); }

Tensor Scalar(double value) { return Tensor::Full({}, value, DType::kF64); }

// The step of a memory that keeps `keep` of itself and is written with `write` g.
void StepOfSgd(Tensor& param, const Tensor& grad, NamedTensors& state, const ChainStep& step,
               double keep, double write, bool lookahead) {
  Replacement p(param);
  std::optional<Replacement> m;
  if (const auto it = state.find("m"); it != state.end()) m.emplace(it->second);
  sgd(param.device(), {.dtype = param.dtype(),
                       .size = param.size(),
                       .param = p.from(),
                       .grad = grad.raw(),
                       .m = m ? m->from() : nullptr,
                       .param_out = p.to(),
                       .m_out = m ? m->to() : nullptr,
                       .lr = Value(step, "lr"),
                       .keep = keep,
                       .write = write,
                       .weight_decay = Value(step, "weight_decay"),
                       .grad_scale = step.grad_scale.Item(),
                       .lookahead = lookahead});
}

void UpdateSgd(Tensor& param, const Tensor& grad, NamedTensors& state, const ChainStep& step) {
  const double write = step.step == 0 ? 1.0 : 1.0 - Value(step, "dampening");
  StepOfSgd(param, grad, state, step, Value(step, "momentum"), write,
            Value(step, "nesterov") != 0.0);
}

void UpdateAdamW(Tensor& param, const Tensor& grad, NamedTensors& state, const ChainStep& step) {
  Replacement p(param), m(state.at("m")), v(state.at("v"));
  adamw(param.device(), {.dtype = param.dtype(),
                         .size = param.size(),
                         .param = p.from(),
                         .grad = grad.raw(),
                         .m = m.from(),
                         .v = v.from(),
                         .param_out = p.to(),
                         .m_out = m.to(),
                         .v_out = v.to(),
                         .lr = Value(step, "lr"),
                         .beta1 = Value(step, "beta1"),
                         .beta2 = Value(step, "beta2"),
                         .eps = Value(step, "eps"),
                         .weight_decay = Value(step, "weight_decay"),
                         .grad_scale = step.grad_scale.Item(),
                         .t = step.step + 1});
}

void UpdateLion(Tensor& param, const Tensor& grad, NamedTensors& state, const ChainStep& step) {
  Replacement p(param), m(state.at("m"));
  lion(param.device(), {.dtype = param.dtype(),
                        .size = param.size(),
                        .param = p.from(),
                        .grad = grad.raw(),
                        .m = m.from(),
                        .param_out = p.to(),
                        .m_out = m.to(),
                        .lr = Value(step, "lr"),
                        .beta1 = Value(step, "beta1"),
                        .beta2 = Value(step, "beta2"),
                        .weight_decay = Value(step, "weight_decay"),
                        .grad_scale = step.grad_scale.Item()});
}

// clip(num / den, 0, most), 0 where den is 0.
double Clipped(double num, double den, double most) {
  return den > 0.0 ? std::clamp(num / den, 0.0, most) : 0.0;
}

// num and den of AdaptiveLevel.
Tensors OwnSumsOfAmMgd(const Tensor& param, const Tensor& grad, const NamedTensors& state,
                       const ChainStep& step) {
  const double lambda = Value(step, "lambda");
  const AmMgdSums sums = am_mgd_sums(param.device(), {.dtype = param.dtype(),
                                                      .size = param.size(),
                                                      .param = param.raw(),
                                                      .grad = grad.raw(),
                                                      .d = state.at("m").raw(),
                                                      .weight_decay = Value(step, "weight_decay"),
                                                      .grad_scale = step.grad_scale.Item()});
  return {Scalar((1.0 + lambda) * sums.g2 - lambda * sums.gap2), Scalar(sums.gap2)};
}

Tensors SumsOfAmMgd(const Tensor& param, const Tensor& grad, const NamedTensors& state,
                    const ChainStep& step) {
  if (Value(step, "per_tensor") != 0.0) return {};
  return OwnSumsOfAmMgd(param, grad, state, step);
}

void UpdateAmMgd(Tensor& param, const Tensor& grad, NamedTensors& state, const ChainStep& step) {
  double keep = 0.0, write = 1.0;
  if (step.step > 0) {
    const Tensors sums = step.sums.empty() ? OwnSumsOfAmMgd(param, grad, state, step) : step.sums;
    const double beta = Clipped(sums[0].Item(), sums[1].Item(), Value(step, "momentum")),
                 lambda = Value(step, "lambda");
    keep = (beta + lambda) / (1.0 + lambda), write = (1.0 - beta) / (1.0 + lambda);
  }
  StepOfSgd(param, grad, state, step, keep, write, /*lookahead=*/false);
}

// beta of AdaptiveAdamLevel.
double AmAdamWBeta(const AmAdamWSums& sums, const ChainStep& step, double lr_before) {
  const double lr = Value(step, "lr"), decay = Value(step, "weight_decay");
  const double gap = lr > 0.0 ? (1.0 + decay * lr) * (lr_before / lr) * sums.gap : 0.0;
  return Clipped(gap - sums.slope - decay * sums.param_slope, sums.curvature, Value(step, "beta1"));
}

void UpdateAmAdamW(Tensor& param, const Tensor& grad, NamedTensors& state, const ChainStep& step) {
  Tensor &product = state.at("m.beta_product"), &lr_before = state.at("m.lr");
  const double lr = Value(step, "lr"), before = product.Item();
  Replacement p(param), d(state.at("m")), v(state.at("v"));
  AmAdamWArgs args{.dtype = param.dtype(),
                   .size = param.size(),
                   .param = p.from(),
                   .grad = grad.raw(),
                   .d = d.from(),
                   .v = v.from(),
                   .param_out = p.to(),
                   .d_out = d.to(),
                   .v_out = v.to(),
                   .beta2 = Value(step, "beta2"),
                   .eps = Value(step, "eps"),
                   .lambda = Value(step, "lambda"),
                   .weight_decay = Value(step, "weight_decay"),
                   .grad_scale = step.grad_scale.Item(),
                   .correction = 1.0 - Value(step, "beta1") * before,
                   .t = step.step + 1};
  const AmAdamWSums sums = am_adamw_sums(param.device(), args);
  args.v = args.v_out;
  const double beta =
      step.step == 0 ? Value(step, "beta1") : AmAdamWBeta(sums, step, lr_before.Item());
  am_adamw(param.device(), args, {.lr = lr, .beta = beta});
  product = Tensor::Full({}, before * beta, product.dtype(), product.device());
  lr_before = Tensor::Full({}, lr, lr_before.dtype(), lr_before.device());
}

}  // namespace

constinit const Chain::Fused kFusedSgd = {[](Device device) { return sgd.Has(device); }, UpdateSgd};
constinit const Chain::Fused kFusedAdamW = {[](Device device) { return adamw.Has(device); },
                                            UpdateAdamW};
constinit const Chain::Fused kFusedLion = {[](Device device) { return lion.Has(device); },
                                           UpdateLion};
constinit const Chain::Fused kFusedAmMgd = {
    [](Device device) { return sgd.Has(device) && am_mgd_sums.Has(device); }, UpdateAmMgd,
    SumsOfAmMgd};
constinit const Chain::Fused kFusedAmAdamW = {
    [](Device device) { return am_adamw_sums.Has(device) && am_adamw.Has(device); }, UpdateAmAdamW};

}  // namespace palimpsest
