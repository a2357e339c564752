#ifndef MEMORY_RULES_MLP_MEMORY_H_
#define MEMORY_RULES_MLP_MEMORY_H_

#include <string>
#include <vector>

#include "memory_rules/gradient_memory.h"

namespace palimpsest {

// A gradient memory whose network is an MLP, f(x) = W_n s(... s(W_1 x)); with `residual`, f(x) = x
// + that, where x is cut or padded with zeros to the size of a value; with `norm`, LayerNorm of
// that. The last layer starts at zero, so that a fresh memory adds nothing.
class MlpMemory : public GradientMemory {
 public:
  MlpMemory(const RuleParams& params, std::string equation, std::string source);

  std::string equation() const override { return equation_; }
  std::string source() const override { return source_; }
  int num_weights() const override { return depth_; }
  Tensors InitWeights(const MemoryDims& dims, DType dtype,
                      const RandomStream& stream) const override;
  Tensor Forward(const Weights& w, const Tensor& x) const override;

 private:
  const std::string equation_, source_;
  const int depth_;
  const double expansion_;
  const bool residual_, norm_, gelu_;
};

// depth, expansion, residual, norm, activation, rest, and those of every gradient rule.
std::vector<ParamSpec> MlpParams();
// And those of a window.
std::vector<ParamSpec> MlpWindowParams();
// The latter with the network of MIRAS: f(x) = x + LayerNorm(W_2 gelu(W_1 x)), of expansion 4, no
// S.
std::vector<ParamSpec> MirasParams();

// The update of a gradient memory with these parameters as one line.
std::string GradientEquation(const RuleParams& params);

}  // namespace palimpsest

#endif  // MEMORY_RULES_MLP_MEMORY_H_
