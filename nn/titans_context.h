#ifndef NN_TITANS_CONTEXT_H_
#define NN_TITANS_CONTEXT_H_

#include <memory>
#include <string>

#include "nn/mixer.h"
#include "nn/titans_parts.h"

namespace palimpsest {

// Memory as context (see MakeTitans).
class MemoryAsContext : public Mixer {
 public:
  MemoryAsContext(const ParamInit& init, const ModelConfig& model,
                  const ModelConfig::Titans& config);

  void ForEachParam(const std::string& path, ParamVisitor visit) override;
  NamedTensors InitState(int64_t batch) const override;
  int64_t StateBytes(int64_t time) const override;
  MixerResult Forward(const MixerInput& in) const override;

 private:
  // Tokens of one segment, the last of which may end it.
  Tensor WithinSegment(const MixerInput& in, NamedTensors& state) const;
  Tensor AttendToBoth(const Tensor& x, const Tensor& h, int64_t position,
                      NamedTensors& state) const;
  NamedTensors ContextTails(int64_t batch) const;
  void EndSegment(NamedTensors& state) const;

  int64_t segment_, persistent_;
  TitansParts parts_;
};

}  // namespace palimpsest

#endif  // NN_TITANS_CONTEXT_H_
