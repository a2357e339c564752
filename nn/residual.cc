#include "nn/residual.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/op_scope.h"
#include "nn/mup.h"
#include "nn/statistics.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

// stream + h, to every channel alike.
class AddResidual : public Residual {
 public:
  void ForEachParam(const std::string&, ParamVisitor) override {}

  Tensor Write(const ResidualInput& in) const override {
    if (in.stream.rank() == in.h.rank()) return Add(in.stream, in.h);
    return Add(in.stream, Reshape(in.h, {in.h.dim(0), in.h.dim(1), 1, in.h.dim(2)}));
  }
};

// A projection from the width to what does not grow with it: muP divides what it gives, as the
// head's.
struct NarrowLinear {
  Linear linear;
  double scale;

  Tensor operator()(const Tensor& x) const {
    const Tensor y = linear(x);
    return scale == 1.0 ? y : Mul(y, scale);
  }
};

NarrowLinear MakeNarrow(const ParamInit& init, const ModelConfig& model, int64_t out) {
  return {MakeLinear(init, model.width(), out, model.init_std()), 1.0 / WidthMultiple(model)};
}

// DeltaResidual with h as the direction; beta and v are of the sublayer's input, in StateDType.
class DeltaResidualWrite : public Residual {
 public:
  DeltaResidualWrite(const ParamInit& init, const ModelConfig& model,
                     const ModelConfig::Residual& config)
      : config_(config) {
    const DType dtype = StateDType(init.dtype);
    const int64_t hidden = config.beta_hidden();
    beta_ = MakeNarrow(init.At("beta"), model, std::max<int64_t>(hidden, 1));
    if (hidden > 0) {
      beta_out_ =
          MakeLinear(init.At("beta_out"), hidden, 1, 1.0 / std::sqrt(static_cast<double>(hidden)));
    }
    const double share = config.beta_init() / 2.0;
    beta_bias_ = Tensor::Full({1}, std::log(share) - std::log1p(-share), dtype, init.device);
    v_ = MakeNarrow(init.At("v"), model, config.channels());
    v_bias_ = Tensor::Full({config.channels()}, 0.0, dtype, init.device);
  }

  void ForEachParam(const std::string& path, ParamVisitor visit) override {
    beta_.linear.ForEachParam(path + ".beta", visit);
    beta_out_.ForEachParam(path + ".beta_out", visit);
    visit(path + ".beta.bias", beta_bias_);
    v_.linear.ForEachParam(path + ".v", visit);
    visit(path + ".v.bias", v_bias_);
  }

  Tensor Write(const ResidualInput& in) const override {
    const OpScope scope("residual");
    const int64_t batch = in.h.dim(0), time = in.h.dim(1), width = in.h.dim(2);
    const Tensor beta = Reshape(Beta(in.context), {batch, time});
    if (in.statistics) Report(beta, in.statistics);
    const bool of_context = config_.v_source() == ModelConfig::Residual::CONTEXT;
    const Tensor v = Value(of_context ? in.context : in.x);
    const Tensor stream = Reshape(in.stream, {batch, time, config_.channels(), width});
    return Reshape(DeltaResidual(stream, in.h, beta, v,
                                 {.erase = !config_.write_only(), .eps = config_.k_eps()}),
                   in.stream.shape());
  }

 private:
  Tensor Beta(const Tensor& context) const {
    Tensor z = beta_(context);
    if (beta_out_.weight) z = beta_out_(Tanh(z));
    return Mul(Sigmoid(Add(Cast(z, beta_bias_.dtype()), beta_bias_)), 2.0);
  }

  Tensor Value(const Tensor& source) const {
    const Tensor z = Add(Cast(v_(source), v_bias_.dtype()), v_bias_);
    return config_.v_act() == ModelConfig::Residual::LINEAR ? z
                                                            : Mul(Sigmoid(z), config_.v_scale());
  }

  // Along k the shortcut has the eigenvalue 1 - beta, across it 1.
  void Report(const Tensor& beta, const StatisticSink& statistics) const {
    const Summary s = Summarize(beta);
    PutSummary(statistics, "beta", s);
    const std::vector<double> values = beta.ToVector();
    const auto reflections =
        std::count_if(values.begin(), values.end(), [](double b) { return b > 1.0; });
    statistics("reflections", static_cast<double>(reflections) /
                                  static_cast<double>(std::max<size_t>(values.size(), 1)));
    if (config_.write_only()) return;
    PutSummary(statistics, "eigenvalue", {.mean = 1 - s.mean, .min = 1 - s.max, .max = 1 - s.min});
  }

  ModelConfig::Residual config_;
  NarrowLinear beta_, v_;
  Linear beta_out_;
  Tensor beta_bias_, v_bias_;
};

}  // namespace

std::unique_ptr<Residual> MakeResidual(const ParamInit& init, const ModelConfig& model,
                                       const ModelConfig::Residual& config) {
  if (config.kind() == ModelConfig::Residual::ADD) return std::make_unique<AddResidual>();
  return std::make_unique<DeltaResidualWrite>(init, model, config);
}

}  // namespace palimpsest
