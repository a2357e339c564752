#ifndef MEMORY_RULES_INNER_GRADIENT_H_
#define MEMORY_RULES_INNER_GRADIENT_H_

#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "memory_rules/linear_recurrence.h"
#include "memory_rules/rule.h"

namespace palimpsest {

// The matrices of a memory as its forward pass sees them.
class Weights {
 public:
  virtual ~Weights() = default;
  // W_i x for each row of x: [batch, rows, in_i] -> [batch, rows, out_i]. Once for each i in a
  // pass.
  virtual Tensor Apply(int i, const Tensor& x) const = 0;
  // What is learnt but never written: [batch, ...].
  virtual const Tensor& Fixed(int i) const = 0;
};

// The same for all rows: [batch, out_i, in_i].
class SharedWeights : public Weights {
 public:
  explicit SharedWeights(Tensors weights, Tensors fixed = {})
      : weights_(std::move(weights)), fixed_(std::move(fixed)) {}
  Tensor Apply(int i, const Tensor& x) const override;
  const Tensor& Fixed(int i) const override { return fixed_[i]; }
  size_t size() const { return weights_.size(); }

 private:
  Tensors weights_, fixed_;
};

// Row t meets matrix t of each: [batch, rows, out_i, in_i].
class WeightsOfRows : public Weights {
 public:
  WeightsOfRows(Tensors weights, Tensors fixed)
      : weights_(std::move(weights)), fixed_(std::move(fixed)) {}
  Tensor Apply(int i, const Tensor& x) const override;
  const Tensor& Fixed(int i) const override { return fixed_[i]; }

 private:
  Tensors weights_, fixed_;
};

// Row t meets the weights after, or before, step t of a chunk.
class WeightsOfChunk : public Weights {
 public:
  WeightsOfChunk(const std::vector<LinearChunk>& chunks, Tensors fixed, bool before)
      : chunks_(chunks), fixed_(std::move(fixed)), before_(before) {}
  Tensor Apply(int i, const Tensor& x) const override {
    return before_ ? chunks_[i].ApplyBefore(x) : chunks_[i].Apply(x);
  }
  const Tensor& Fixed(int i) const override { return fixed_[i]; }

 private:
  const std::vector<LinearChunk>& chunks_;
  Tensors fixed_;
  const bool before_;
};

// The same after each step, by the fused kernel, which takes a weight's steps as it is applied.
class WeightsOfScan : public Weights {
 public:
  // `states[i]`: weight i and, with momentum, its S, before the first step.
  WeightsOfScan(const std::vector<LinearUpdate>& updates, std::vector<State> states, Tensors fixed)
      : updates_(updates), states_(std::move(states)), fixed_(std::move(fixed)) {}
  Tensor Apply(int i, const Tensor& x) const override;
  const Tensor& Fixed(int i) const override { return fixed_[i]; }
  // Of weights that were applied: after the last step.
  const std::vector<State>& states() const { return states_; }

 private:
  const std::vector<LinearUpdate>& updates_;
  mutable std::vector<State> states_;
  Tensors fixed_;
};

// dLoss/dW_i is, row by row, left_i right_i^T: the gradient at the product's output, and its input.
struct InnerFactors {
  Tensors left, right;
};

// Of a loss that is a sum over rows. Differentiable in turn.
InnerFactors InnerGradient(const SharedWeights& weights,
                           absl::FunctionRef<Tensor(const Weights&)> loss);

}  // namespace palimpsest

#endif  // MEMORY_RULES_INNER_GRADIENT_H_
