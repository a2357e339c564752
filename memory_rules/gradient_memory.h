#ifndef MEMORY_RULES_GRADIENT_MEMORY_H_
#define MEMORY_RULES_GRADIENT_MEMORY_H_

#include <string>
#include <vector>

#include "memory_rules/rule.h"

namespace palimpsest {

// The matrices of a memory as a rule's forward pass sees them.
class Weights {
 public:
  virtual ~Weights() = default;
  // W_i x for each row of x: [batch, rows, in_i] -> [batch, rows, out_i]. Once for each i in a
  // pass.
  virtual Tensor Apply(int i, const Tensor& x) const = 0;
};

// A network trained online on Loss(f(k), v) by gradient descent with momentum and forgetting,
//   S_t = eta_t S_{t-1} - theta_t dLoss_t/dW (anchor),   W_t = keep_t W_{t-1} + S_t,
// where a weight that erases also forgets along its own input x: - theta_t (W_{t-1} x_t) x_t^T. A
// rule states its forward pass; the inner gradient, the steps and the chunkwise form follow, at any
// depth: with the error measured at the anchor, each weight follows the linear recurrence. State:
// the weights [batch, out_i, in_i], then, with momentum, their S.
class GradientMemory : public MemoryRule {
 public:
  // The network: x [batch, rows, key] -> [batch, rows, value].
  virtual Tensor Forward(const Weights& w, const Tensor& x) const = 0;
  virtual int num_weights() const = 0;
  virtual Tensors InitWeights(const MemoryDims& dims, DType dtype,
                              const RandomStream& stream) const = 0;
  // A sum over rows. By default |y - v|^2 / 2; papers that leave out the half have it in theta.
  virtual Tensor Loss(const Tensor& y, const Tensor& v) const;
  virtual bool momentum() const { return true; }
  virtual bool erases(int /*weight*/) const { return false; }

  std::vector<GateSpec> gates() const override;  // log_keep, log_eta if there is momentum, theta
  std::vector<std::string> state_names() const override;
  bool anchored() const override { return true; }
  State Init(const MemoryDims& dims, DType dtype, const RandomStream& stream) const override;
  State Step(const State& state, const State& anchor, const Block& block) const override;
  Tensor Read(const State& state, const Tensor& q) const override;
  ScanResult Chunk(const Rows& chunk, const State& state, const State& anchor) const override;

 private:
  size_t NumWeights(const State& state) const {
    return momentum() ? state.size() / 2 : state.size();
  }
};

}  // namespace palimpsest

#endif  // MEMORY_RULES_GRADIENT_MEMORY_H_
