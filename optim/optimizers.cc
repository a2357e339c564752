#include "optim/optimizers.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/adamw.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/newton_schulz.h"
#include "optim/optimizer.pb.h"

namespace palimpsest {
namespace {

using Range = HyperSpec::Range;

// torch.optim.SGD: b <- momentum b + (1 - dampening) g, at first g; decay is of the gradient.
Chain MakeSgd(const HyperValues& values) {
  Chain chain;
  chain.decay = Chain::Decay::kOfGradient;
  if (values.at("momentum") == 0.0) return chain;
  chain.levels.push_back(EmaLevel({.slot = "m",
                                   .keep = "momentum",
                                   .strength =
                                       [](const LevelStep& now) {
                                         const Tensor& dampening = now.hypers.at("dampening");
                                         return Add(Mul(dampening, now.writes == 1 ? 0.0 : -1.0),
                                                    1.0);
                                       },
                                   .lookahead = values.at("nesterov") != 0.0}));
  return chain;
}

std::string SgdConflict(const HyperValues& values) {
  const bool nesterov = values.at("nesterov") != 0.0;
  if (!nesterov || (values.at("momentum") > 0.0 && values.at("dampening") == 0.0)) return "";
  return "nesterov needs momentum above 0 and dampening 0";
}

// A tensor for results in place of `x`: `x` itself, under a new id, if no one else holds it.
Tensor OutputFor(const Tensor& x) {
  return x.Unique() ? x : Tensor::Empty(x.shape(), x.dtype(), x.device());
}

void FusedAdamW(Tensor& param, const Tensor& grad, NamedTensors& state, const ChainStep& step) {
  Tensor &m = state.at("m"), &v = state.at("v");
  Tensor param_out = OutputFor(param), m_out = OutputFor(m), v_out = OutputFor(v);
  const auto value = [&](const char* name) { return step.hypers.at(name).Item(); };
  adamw(param.device(), {.dtype = param.dtype(),
                         .size = param.size(),
                         .param = param.raw(),
                         .grad = grad.raw(),
                         .m = m.raw(),
                         .v = v.raw(),
                         .param_out = param_out.mutable_raw(),
                         .m_out = m_out.mutable_raw(),
                         .v_out = v_out.mutable_raw(),
                         .lr = value("lr"),
                         .beta1 = value("beta1"),
                         .beta2 = value("beta2"),
                         .eps = value("eps"),
                         .weight_decay = value("weight_decay"),
                         .grad_scale = step.grad_scale.Item(),
                         .t = step.step + 1});
  param = param_out.Detach(), m = m_out.Detach(), v = v_out.Detach();
}

// torch.optim.AdamW.
Chain MakeAdamW(const HyperValues&) {
  Chain chain;
  chain.levels.push_back(EmaLevel({.slot = "m", .keep = "beta1", .corrected = true}));
  chain.second_moment = EmaLevel({.slot = "v", .keep = "beta2", .corrected = true});
  chain.fused = FusedAdamW;
  chain.has_fused = [](Device device) { return adamw.Has(device); };
  return chain;
}

double ShapeScale(OptimizerConfig::ShapeScale kind, double rows, double columns) {
  switch (kind) {
    case OptimizerConfig::MATCH_RMS_ADAMW: return 0.2 * std::sqrt(std::max(rows, columns));
    case OptimizerConfig::SPECTRAL: return std::sqrt(rows / columns);
    default: return std::sqrt(std::max(1.0, rows / columns));
  }
}

// [m, n] of a parameter of two or more axes: the first is the output.
Shape MatrixShape(const Shape& shape) {
  const int64_t rows = shape[0], size = NumElements(shape);
  return {rows, size == 0 ? 0 : size / rows};
}

// Jordan et al. 2024: an EMA read through Newton-Schulz.
Chain MakeMuon(const HyperValues& values) {
  Level level =
      EmaLevel({.slot = "m", .keep = "momentum", .lookahead = values.at("nesterov") != 0.0});
  level.output = [average = std::move(level.output),
                  steps = JordanSteps(static_cast<int>(values.at("newton_schulz_steps")))](
                     const Tensor& read, const Signal& s, const LevelStep& now) {
    const Tensor m = average(read, s, now);
    if (m.size() == 0) return m;
    return Reshape(NewtonSchulz(Reshape(m, MatrixShape(m.shape())), steps), m.shape());
  };
  Chain chain;
  chain.levels.push_back(std::move(level));
  chain.step_scale = [kind = static_cast<OptimizerConfig::ShapeScale>(values.at("shape_scale"))](
                         const Shape& shape) {
    const Shape matrix = MatrixShape(shape);
    if (NumElements(matrix) == 0) return 1.0;
    return ShapeScale(kind, static_cast<double>(matrix[0]), static_cast<double>(matrix[1]));
  };
  return chain;
}

}  // namespace

const std::map<std::string, OptimizerSpec>& OptimizerSpecs() {
  static const auto* const specs = new std::map<std::string, OptimizerSpec>{
      {"sgd",
       {.hypers = {{"lr", 1e-2, Range::kAtLeast0},
                   {"weight_decay", 0.0, Range::kAtLeast0},
                   {"momentum", 0.0, Range::kFrom0Below1},
                   {"dampening", 0.0, Range::kFrom0To1},
                   {"nesterov", 0.0, Range::kAny}},
        .make = MakeSgd,
        .conflict = SgdConflict}},
      {"adamw",
       {.hypers = {{"lr", 1e-3, Range::kAtLeast0},
                   {"weight_decay", 0.01, Range::kAtLeast0},
                   {"beta1", 0.9, Range::kFrom0Below1},
                   {"beta2", 0.999, Range::kFrom0Below1},
                   {"eps", 1e-8, Range::kAtLeast0}},
        .make = MakeAdamW}},
      {"muon",
       {.hypers = {{"lr", 0.02, Range::kAtLeast0},
                   {"weight_decay", 0.0, Range::kAtLeast0},
                   {"momentum", 0.95, Range::kFrom0Below1},
                   {"nesterov", 1.0, Range::kAny},
                   {"newton_schulz_steps", 5.0, Range::kAtLeast1},
                   {"shape_scale", OptimizerConfig::ORIGINAL, Range::kAny}},
        .make = MakeMuon,
        .matrices_only = true}},
  };
  return *specs;
}

}  // namespace palimpsest
