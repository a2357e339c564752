#ifndef MEMORY_RULES_GRADIENT_MEMORY_H_
#define MEMORY_RULES_GRADIENT_MEMORY_H_

#include <string>
#include <vector>

#include "memory_rules/inner_gradient.h"
#include "memory_rules/objective.h"
#include "memory_rules/registry.h"
#include "memory_rules/retention.h"
#include "memory_rules/rule.h"

namespace palimpsest {

// What a gradient rule leaves open; each a parameter of the same name.
struct GradientOptions {
  bool momentum = true;
  ReadFrom read = ReadFrom::kAfterWrite;
  Objective objective = Objective::kL2;
  double p = 3.0;  // Of kLp.
  // A is what was written since the start, and rests at the first weights, which are learnt and
  // never written; else all of A is forgotten and erased.
  bool rest_at_first = false;
  Retention retention = Retention::kL2;
  double q = 4.0, threshold = 0.01;  // Of kLq and kElastic.
  // A token's gradient is of the last `window` pairs, each weighted with its gate gamma (Behrouz et
  // al. 2025, "ATLAS", eq. 8-11).
  int64_t window = 1;
  // Steps that orthogonalise the momentum before it is written ("ATLAS", eq. 32-33); 0: none.
  int newton_schulz = 0;

  explicit GradientOptions(const RuleParams& params);
};

// The parameters of every gradient rule; and those of one with a window.
std::vector<ParamSpec> GradientParams();
std::vector<ParamSpec> WindowParams();

// A network trained online on Loss(f(k), v) by gradient descent with momentum and forgetting,
//   S_t = eta_t S_{t-1} - theta_t dLoss_t/dW (anchor),   A_t = keep_t A_{t-1} + S_t,   W_t =
//   map(A_t)
// where a weight that erases also forgets along its own input x: - theta_t (A_{t-1} x_t) x_t^T.
// where rest_at_first reads W_t = map(A_first + A_t). With Newton-Schulz, theta_t NS(S_t) is
// written, and S gathers bare gradients. A rule states its forward pass; the inner gradient, the
// steps and the chunkwise form follow, at any depth: with the error measured at the anchor, each
// weight follows the linear recurrence. State: A [batch, out_i, in_i] of each weight, then S, then
// the first weights, then the pairs of the window.
class GradientMemory : public MemoryRule {
 public:
  explicit GradientMemory(GradientOptions options) : options_(options) {}

  // The network: x [batch, rows, key] -> [batch, rows, value].
  virtual Tensor Forward(const Weights& w, const Tensor& x) const = 0;
  virtual int num_weights() const = 0;
  virtual Tensors InitWeights(const MemoryDims& dims, DType dtype,
                              const RandomStream& stream) const = 0;
  // Not with a window or Newton-Schulz.
  virtual bool erases(int /*weight*/) const { return false; }

  const GradientOptions& options() const { return options_; }
  // log_keep, theta; log_eta with momentum, delta for Huber's objective, gamma with a window.
  std::vector<GateSpec> gates() const override;
  std::vector<std::string> state_names() const override;
  bool anchored() const override { return true; }
  ReadFrom read_from() const override { return options_.read; }
  State Init(const MemoryDims& dims, DType dtype, const RandomStream& stream) const override;
  State Step(const State& state, const State& anchor, const Block& block) const override;
  Tensor Read(const State& state, const Tensor& q) const override;
  ScanResult Chunk(const Rows& chunk, const State& state, const State& anchor) const override;

 private:
  struct Parts {
    Tensors a, s, rest, window;
  };
  // Pairs with the gates that belong to each of them: the window's, then those that are new.
  struct Pairs {
    Tensor k, v, gamma, delta;  // gamma and delta [batch, rows], or empty
  };
  struct Written;

  Parts Split(const State& state) const;
  static State Join(const Parts& parts);
  Pairs WithWindow(const Parts& parts, const Tensor& k, const Tensor& v, const Gates& gates) const;
  Tensors NextWindow(const Pairs& pairs) const;
  // a [batch(, time), out, in] of each weight, where it rests added.
  Tensors WeightsOf(const Parts& from, Tensors a) const;
  SharedWeights At(const Parts& parts) const;
  InnerFactors GradientAt(const Parts& anchor, const Pairs& pairs) const;
  std::vector<LinearUpdate> Updates(const Pairs& pairs, const InnerFactors& g,
                                    const Gates& gates) const;
  Written WriteOrthogonal(const Parts& from, const std::vector<LinearUpdate>& updates,
                          const Gates& gates) const;
  Tensor ReadWritten(const Parts& from, const Weights& written, const Tensor& q) const;
  Tensor ReadMatrices(const Parts& from, Tensors a, const Tensor& q) const;

  const GradientOptions options_;
};

}  // namespace palimpsest

#endif  // MEMORY_RULES_GRADIENT_MEMORY_H_
