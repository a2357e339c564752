#include "memory_rules/mlp_memory.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "memory_rules/rows.h"
#include "ops/broadcast.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/norm.h"

namespace palimpsest {
MlpMemory::MlpMemory(const RuleParams& params, std::string equation, std::string source)
    : GradientMemory(GradientOptions(params)),
      equation_(std::move(equation)),
      source_(std::move(source)),
      depth_(static_cast<int>(params.at("depth"))),
      expansion_(params.at("expansion")),
      residual_(params.at("residual") != 0.0),
      norm_(params.at("norm") != 0.0),
      gelu_(params.at("activation") != 0.0) {}

Tensors MlpMemory::InitWeights(const MemoryDims& dims, DType dtype,
                               const RandomStream& stream) const {
  const int64_t hidden =
      std::max<int64_t>(1, std::llround(expansion_ * static_cast<double>(dims.key)));
  const bool silent = !norm_ && options().retention == Retention::kL2;
  Tensors weights;
  for (int i = 0; i < depth_; ++i) {
    const bool last = i + 1 == depth_;
    const Shape shape = {last ? dims.value : hidden, i == 0 ? dims.key : hidden};
    const double scale = last && silent ? 0.0 : 1.0 / std::sqrt(shape[1]);
    const Tensor w = RandomNormal(shape, stream.Fork(i), dtype, scale);
    weights.push_back(
        BroadcastTo(Reshape(w, {1, shape[0], shape[1]}), {dims.batch, shape[0], shape[1]}));
  }
  return weights;
}

Tensor MlpMemory::Forward(const Weights& w, const Tensor& x) const {
  Tensor h = w.Apply(0, x);
  for (int i = 1; i < depth_; ++i) h = w.Apply(i, gelu_ ? Gelu(h) : Silu(h));
  if (norm_) h = LayerNorm(h);
  return residual_ ? Add(Fitted(x, h.dim(-1)), h) : h;
}

std::vector<ParamSpec> MlpParams() {
  std::vector<ParamSpec> specs = {{.name = "depth",
                                   .value = 2,
                                   .min = 1,
                                   .max = 16,
                                   .integer = true,
                                   .meaning = "layers of the memory"},
                                  {.name = "expansion",
                                   .value = 2,
                                   .min = 0,
                                   .max = 64,
                                   .meaning = "hidden size as a multiple of the key's"},
                                  Flag("residual", false, "1: f(x) = x + MLP(x)"),
                                  Flag("norm", false, "1: LayerNorm of what the MLP gives"),
                                  Choice("activation", {"silu", "gelu"}, "between the layers"),
                                  Choice("rest", {"first", "zero"},
                                         "where forgetting and erasing bring weights: to their "
                                         "first values, or to zero")};
  for (ParamSpec& spec : GradientParams()) specs.push_back(std::move(spec));
  return specs;
}

std::vector<ParamSpec> MlpWindowParams() {
  std::vector<ParamSpec> specs = MlpParams();
  for (ParamSpec& spec : WindowParams()) specs.push_back(std::move(spec));
  return specs;
}

std::vector<ParamSpec> MirasParams() {
  return WithDefaults(MlpWindowParams(),
                      {{"expansion", 4}, {"residual", 1}, {"norm", 1}, {"momentum", 0}},
                      {{"activation", "gelu"}, {"rest", "zero"}});
}

std::string GradientEquation(const RuleParams& params) {
  const GradientOptions o(params);
  static const char* const losses[] = {"|f(k) - v|^2 / 2", "-<f(k), v>", "|f(k) - v|_1",
                                       "|f(k) - v|_p^p / p", "huber(|f(k) - v|; delta_t)"};
  const std::string loss = losses[static_cast<int>(o.objective)];
  const std::string gradient =
      o.window > 1 ? "sum_window gamma_i grad_W " + loss : "grad_W " + loss;
  const std::string weights = o.retention == Retention::kL2 ? "W" : "A",
                    a = o.rest_at_first ? "D" : weights;
  std::string equation;
  if (o.newton_schulz > 0) {
    equation = "S_t = eta_t S_{t-1} - " + gradient + ",  " + a + "_t = keep_t " + a +
               "_{t-1} + theta_t NS(S_t)";
  } else if (o.momentum) {
    equation = "S_t = eta_t S_{t-1} - theta_t " + gradient + ",  " + a + "_t = keep_t " + a +
               "_{t-1} + S_t";
  } else {
    equation = a + "_t = keep_t " + a + "_{t-1} - theta_t " + gradient;
  }
  static const char* const maps[] = {"", ",  W_t = A_t / |A_t|_q^(q-2)", ",  W_t = softmax(A_t)",
                                     ",  W_t = soft_threshold(A_t)", ",  W_t = sigmoid(A_t)"};
  if (o.rest_at_first) equation += ",  " + weights + "_t = " + weights + "_0 + D_t";
  return equation + maps[static_cast<int>(o.retention)];
}

}  // namespace palimpsest
