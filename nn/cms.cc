#include "nn/cms.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/op_scope.h"
#include "nn/cms_level.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

using Cms = ModelConfig::Cms;

class CmsLayer : public Mixer {
 public:
  CmsLayer(const ParamInit& init, const ModelConfig& model, const Cms& config)
      : residual_(config.residual()), chain_(config.order() != Cms::INDEPENDENT) {
    const int count = config.level_size();
    for (int i = 0; i < count; ++i) {
      const std::string name = absl::StrCat("levels.", i);
      const ParamInit at = init.At(name);
      const bool normed = chain_ && i > 0;
      levels_.push_back(
          {name,
           normed ? MakeNorm(at.At("norm"), model.norm(), model.width(), model.norm_eps())
                  : NormLayer{},
           MakeCmsLevel(at, model, config, i)});
    }
    if (!chain_) mix_ = init.Constant({count}, 1.0 / count);
  }

  void ForEachParam(const std::string& path, ParamVisitor visit) override {
    for (Level& level : levels_) {
      const std::string at = absl::StrCat(path, ".", level.name);
      level.norm.ForEachParam(at + ".norm", visit);
      level.f->ForEachParam(at, visit);
    }
    if (mix_) visit(path + ".mix", mix_);
  }

  NamedTensors InitState(int64_t batch) const override {
    NamedTensors state;
    for (const Level& level : levels_) PutUnder(level.name, level.f->InitState(batch), state);
    return state;
  }
  int64_t StateBytes(int64_t time) const override {
    int64_t bytes = 0;
    for (const Level& level : levels_) bytes += level.f->StateBytes(time);
    return bytes;
  }

  MixerResult Forward(const MixerInput& in) const override {
    const OpScope scope("cms");
    NamedTensors state;
    Tensor x = in.x, y;
    for (size_t i = 0; i < levels_.size(); ++i) {
      Tensor f = Run(levels_[i], x, in, state);
      if (!chain_) f = Mul(Slice(mix_, 0, i, i + 1), f);
      const bool last = i + 1 == levels_.size();
      if (chain_ && !last) x = residual_ ? Add(x, f) : f;
      y = y && (residual_ || !chain_) ? Add(y, f) : f;
    }
    return {y, std::move(state)};
  }

 private:
  struct Level {
    std::string name;
    NormLayer norm;  // Without weight: none.
    std::unique_ptr<Mixer> f;
  };

  static Tensor Run(const Level& level, const Tensor& x, const MixerInput& in,
                    NamedTensors& after) {
    const NamedTensors before = Under(in.state, level.name);
    const Tensor input = level.norm.weight ? level.norm(x) : x;
    MixerResult r =
        level.f->Forward({input, before, in.position, Under(in.statistics, level.name)});
    PutUnder(level.name, std::move(r.state), after);
    return r.y;
  }

  const bool residual_, chain_;
  std::vector<Level> levels_;
  Tensor mix_;  // [levels], of independent levels.
};

}  // namespace

std::unique_ptr<Mixer> MakeCms(const ParamInit& init, const ModelConfig& model, const Cms& config) {
  return std::make_unique<CmsLayer>(init, model, config);
}

}  // namespace palimpsest
