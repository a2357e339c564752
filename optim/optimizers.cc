#include "optim/optimizers.h"

#include <algorithm>
#include <cmath>

#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/newton_schulz.h"
#include "optim/levels.h"
#include "optim/named_chains.h"

namespace palimpsest {
namespace {

using Range = HyperSpec::Range;
using Config = OptimizerConfig;

std::vector<HyperSpec> Join(std::vector<HyperSpec> a, const std::vector<HyperSpec>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::vector<HyperSpec> Common(double lr, double weight_decay) {
  return {{"lr", lr, Range::kAtLeast0}, {"weight_decay", weight_decay, Range::kAtLeast0}};
}

std::vector<HyperSpec> Sgd(double momentum) {
  return Join(Common(1e-2, 0.0), {{"momentum", momentum, Range::kFrom0Below1},
                                  {"dampening", 0.0, Range::kFrom0To1},
                                  {"nesterov", 0.0, Range::kAny}});
}

std::vector<HyperSpec> Orthogonal(double shape_scale) {
  return {{"newton_schulz_steps", 5.0, Range::kFrom1To100},
          {"newton_schulz", Config::JORDAN, Range::kAny},
          {"newton_schulz_bf16", 1.0, Range::kAny},
          {"shape_scale", shape_scale, Range::kAny}};
}

std::vector<HyperSpec> Muon(double lr, double momentum) {
  return Join(Common(lr, 0.0),
              {{"momentum", momentum, Range::kFrom0Below1}, {"nesterov", 1.0, Range::kAny}});
}

const HyperSpec kEps = {"eps", 1e-8, Range::kAtLeast0};
const HyperSpec kBeta2 = {"beta2", 0.999, Range::kFrom0Below1};
const HyperSpec kEta = {"eta", 0.4, Range::kAtLeast0};
const HyperSpec kLambda = {"lambda", 0.1, Range::kAtLeast0};
const HyperSpec kContraction = {"contraction", Config::AUTO, Range::kAny};
const HyperSpec kSecondMoment = {"second_moment", Config::GRADIENT, Range::kAny};

HyperSpec Below1(const char* name, double value) { return {name, value, Range::kFrom0Below1}; }

NewtonSchulzTable TableOf(Config::NewtonSchulzTable name) {
  switch (name) {
    case Config::POLAR_EXPRESS: return NewtonSchulzTable::kPolarExpress;
    case Config::DION: return NewtonSchulzTable::kDion;
    case Config::MODDED_NANOGPT: return NewtonSchulzTable::kModdedNanogpt;
    default: return NewtonSchulzTable::kJordan;
  }
}

std::map<std::string, OptimizerSpec> MakeSpecs() {
  return {
      {"sgd",
       {.hypers = Sgd(0.0),
        .make = MakeSgd,
        .conflict = SgdConflict,
        .equation = "p <- p - lr g",
        .source = "Robbins & Monro 1951, as torch.optim.SGD"}},
      {"momentum",
       {.hypers = Sgd(0.9),
        .make = MakeSgd,
        .conflict = SgdConflict,
        .equation = "m <- momentum m + (1 - dampening) g,  p <- p - lr m",
        .source = "Polyak 1964, as torch.optim.SGD"}},
      {"adamw",
       {.hypers = Join(Common(1e-3, 0.01), {Below1("beta1", 0.9), kBeta2, kEps}),
        .make = MakeAdamW,
        .equation = "m <- beta1 m + (1 - beta1) g,  v <- beta2 v + (1 - beta2) g^2,  "
                    "u = mhat / (sqrt(vhat) + eps)",
        .source = "Loshchilov & Hutter 2019, as torch.optim.AdamW"}},
      {"lion",
       {.hypers = Join(Common(1e-4, 0.0), {Below1("beta1", 0.9), Below1("beta2", 0.99)}),
        .make = MakeLion,
        .equation = "u = sign(beta1 m + (1 - beta1) g),  m <- beta2 m + (1 - beta2) g",
        .source = "Chen et al. 2023"}},
      {"muon",
       {.hypers = Join(Muon(0.02, 0.95), Orthogonal(Config::ORIGINAL)),
        .make = MakeMuon,
        .matrices_only = true,
        .equation = "m <- momentum m + (1 - momentum) g,  u = NS(m)",
        .source = "Jordan et al. 2024"}},
      {"normuon",
       {.hypers = Join(Join(Muon(0.02, 0.95), Orthogonal(Config::ORIGINAL)),
                       {Below1("beta2", 0.95), kEps}),
        .make = MakeNorMuon,
        .matrices_only = true,
        .equation = "o = NS(m),  v_r <- beta2 v_r + (1 - beta2) mean_j o_rj^2,  "
                    "u = o / (sqrt(v_r) + eps) at the norm of o",
        .source = "Li et al. 2025"}},
      {"adamuon",
       {.hypers = Join(Muon(1e-3, 0.95), {{"newton_schulz_steps", 5.0, Range::kFrom1To100},
                                          {"newton_schulz", Config::JORDAN, Range::kAny},
                                          {"newton_schulz_bf16", 1.0, Range::kAny},
                                          kEps}),
        .make = MakeAdaMuon,
        .matrices_only = true,
        .equation = "o = NS(sign(m)),  v <- momentum v + (1 - momentum) o^2,  "
                    "u = o / (sqrt(v) + eps) at 0.2 sqrt(size)",
        .source = "Si et al. 2025"}},
      {"m3",
       {.hypers = Join(Join(Common(1e-3, 0.0), Orthogonal(Config::UNSCALED)),
                       {Below1("beta1", 0.95),
                        kBeta2,
                        Below1("beta3", 0.95),
                        {"alpha", 0.1, Range::kAtLeast0},
                        {"period", 10.0, Range::kAtLeast1},
                        {"as_printed", 0.0, Range::kAny},
                        kSecondMoment,
                        kEps}),
        .make = MakeM3,
        .conflict = M3Conflict,
        .matrices_only = true,
        .equation = "u = (NS(m1) + alpha NS(m2)) / (sqrt(vhat) + eps),  m2 written every period "
                    "steps with the sum of their g",
        .source = "Nested Learning (Behrouz et al. 2025), Algorithm 1"}},
      {"delta_sgd",
       {.hypers = Join(Common(1e-2, 0.0), {Below1("momentum", 0.99), kEta, kContraction}),
        .make = MakeDeltaSgd,
        .matrices_only = true,
        .equation = "M <- momentum M + eta (Ghat - M Sigma),  u = M",
        .source = "AK-Momentum (Hong & Qu 2026)"}},
      {"delta_adamw",
       {.hypers = Join(Common(1e-4, 0.01),
                       {Below1("beta1", 0.99), kBeta2, kEps, kEta, kSecondMoment, kContraction}),
        .make = MakeDeltaAdamW,
        .conflict = DeltaAdamWConflict,
        .matrices_only = true,
        .equation = "M <- beta1 M + eta (Ghat - M Sigma),  v <- beta2 v + (1 - beta2) g^2,  "
                    "u = M / (1 - beta1^t) / (sqrt(vhat) + eps)",
        .source = "AK-Momentum (Hong & Qu 2026)"}},
      {"delta_muon",
       {.hypers = Join(Join(Muon(0.02, 0.99), Orthogonal(Config::ORIGINAL)), {kEta, kContraction}),
        .make = MakeDeltaMuon,
        .conflict = DeltaMuonConflict,
        .matrices_only = true,
        .equation = "M <- momentum M + eta (Ghat - M Sigma),  u = NS(M)",
        .source = "AK-Momentum (Hong & Qu 2026), read as Muon"}},
      {"dmgd",
       {.hypers = Join(Common(1e-2, 0.0), {{"momentum", 1.0, Range::kFrom0To1},
                                           {"eta", 0.5, Range::kAtLeast0},
                                           {"target", Config::UNIT, Range::kAny},
                                           {"expansion", 2.0, Range::kAbove0To100}}),
        .make = MakeDmgd,
        .conflict = DmgdConflict,
        .matrices_only = true,
        .equation = "W <- momentum W - eta grad_W |f(g_r / |g_r|; W) - target|^2 / 2,  "
                    "u_r = f(g_r / |g_r|)",
        .source = "Nested Learning (Behrouz et al. 2025), eq. 50"}},
      {"am_mgd",
       {.hypers = Join(Common(1e-2, 0.0),
                       {Below1("momentum", 0.9), kLambda, {"per_tensor", 0.0, Range::kAny}}),
        .make = MakeAmMgd,
        .equation = "m <- b m + (1 - b) g,  b = |g|^2 / |m - g|^2, clipped",
        .source = "Adaptive Memory Momentum (arXiv 2510.04988), Algorithm 1"}},
      {"am_adamw",
       {.hypers = Join(Common(1e-3, 0.01), {Below1("beta1", 0.89), kBeta2, kEps, kLambda}),
        .make = MakeAmAdamW,
        .equation = "adamw with beta1 from the two-plane model in the metric of its second moment",
        .source = "Adaptive Memory Momentum (arXiv 2510.04988), Algorithm 3"}},
      {"dgd",
       {.hypers = Common(1e-2, 0.0),
        .make = MakeDgd,
        .matrices_only = true,
        .equation = "W <- W - sum_i eta_i (W x_i / N + d_i) x_i^T,  eta_i = lr / (1 + lr |x_i|^2)",
        .source = "Nested Learning (Behrouz et al. 2025), eq. 54-57"}},
  };
}

}  // namespace

std::function<Tensor(const Tensor&)> Orthogonalizer(const HyperValues& values,
                                                    const std::string& prefix) {
  const auto steps = static_cast<int>(values.at(prefix + "newton_schulz_steps"));
  const auto table = TableOf(ChoiceOf<Config::NewtonSchulzTable>(values, prefix + "newton_schulz"));
  const bool bf16 = IsSet(values, prefix + "newton_schulz_bf16");
  return [quintic = NewtonSchulzSteps(table, steps), bf16](const Tensor& m) {
    if (m.size() == 0) return m;
    const DType in = bf16 && m.dtype() == DType::kF32 ? DType::kBf16 : m.dtype();
    const Tensor matrix = Cast(Reshape(m, MatrixShape(m.shape())), in);
    return Reshape(Cast(NewtonSchulz(matrix, quintic), m.dtype()), m.shape());
  };
}

SecondMoment AverageOfSquares(SecondMoment::Of of, const std::string& keep, bool corrected) {
  return {.level = EmaLevel({.slot = "v"}, {.keep = Hyper(keep), .corrected = corrected}),
          .of = of,
          .keep = keep,
          .corrected = corrected};
}

std::function<double(const Shape&)> ShapeScaleOf(OptimizerConfig::ShapeScale scale) {
  return [scale](const Shape& shape) {
    const Shape matrix = MatrixShape(shape);
    if (NumElements(matrix) == 0) return 1.0;
    const auto rows = static_cast<double>(matrix[0]), columns = static_cast<double>(matrix[1]);
    switch (scale) {
      case Config::MATCH_RMS_ADAMW: return 0.2 * std::sqrt(std::max(rows, columns));
      case Config::SPECTRAL: return std::sqrt(rows / columns);
      case Config::UNSCALED: return 1.0;
      default: return std::sqrt(std::max(1.0, rows / columns));
    }
  };
}

const std::map<std::string, OptimizerSpec>& OptimizerSpecs() {
  static const auto* const specs = new std::map<std::string, OptimizerSpec>(MakeSpecs());
  return *specs;
}

}  // namespace palimpsest
