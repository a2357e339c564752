#include "memory_rules/inner_gradient.h"

#include <utility>

#include "core/op_scope.h"
#include "core/tape.h"
#include "memory_rules/linear_scan.h"
#include "ops/layout.h"
#include "ops/linalg.h"

namespace palimpsest {
namespace {

// For each weight, row by row, what came into its product and what came out, which `tape` watches.
class Probe : public Weights {
 public:
  Probe(const SharedWeights& weights, Tape& tape)
      : weights_(weights), tape_(tape), in_(weights.size()), out_(weights.size()) {}

  Tensor Apply(int i, const Tensor& x) const override {
    PALIMPSEST_CHECK(!in_[i]) << "weight " << i << " is applied twice in one forward pass";
    in_[i] = x;
    out_[i] = weights_.Apply(i, x);
    tape_.Watch(out_[i]);
    return out_[i];
  }
  const Tensor& Fixed(int i) const override { return weights_.Fixed(i); }

  const Tensors& in() const { return in_; }
  const Tensors& out() const { return out_; }

 private:
  const SharedWeights& weights_;
  Tape& tape_;
  mutable Tensors in_, out_;
};

}  // namespace

Tensor SharedWeights::Apply(int i, const Tensor& x) const {
  return MatMul(x, weights_[i], {.b = true});
}

Tensor WeightsOfRows::Apply(int i, const Tensor& x) const {
  const Tensor row = Reshape(x, {x.dim(0), x.dim(1), 1, x.dim(2)});
  const Tensor y = MatMul(row, weights_[i], {.b = true});
  return Reshape(y, {x.dim(0), x.dim(1), y.dim(3)});
}

Tensor WeightsOfScan::Apply(int i, const Tensor& x) const {
  ScanResult r = LinearScan(updates_[i], x, states_[i], x.dim(1));
  states_[i] = std::move(r.state);
  return r.y;
}

InnerFactors InnerGradient(const SharedWeights& weights,
                           absl::FunctionRef<Tensor(const Weights&)> loss) {
  const OpScope scope("inner_gradient");
  Tape tape;
  const Probe probe(weights, tape);
  const Tensor value = loss(probe);
  return {tape.Gradient(value, probe.out()), probe.in()};
}

}  // namespace palimpsest
