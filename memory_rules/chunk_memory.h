#ifndef MEMORY_RULES_CHUNK_MEMORY_H_
#define MEMORY_RULES_CHUNK_MEMORY_H_

#include <string>
#include <vector>

#include "memory_rules/inner_gradient.h"
#include "memory_rules/rule.h"

namespace palimpsest {

// A network trained online by chunks: its tokens' steps, measured at the weights W of the chunk's
// start, gather in S_t = S_{t-1} - rate_t dLoss_t/dW, and are written when the chunk is full. Until
// then W stays as it is, and a token reads W, or W + scale_t S_t. State: W and S [batch, out_i,
// in_i] of each weight, then what the rule adds.
class ChunkMemory : public MemoryRule {
 public:
  // The network: x [batch, rows, key] -> [batch, rows, value].
  virtual Tensor Forward(const Weights& w, const Tensor& x) const = 0;
  // A sum over rows, whose gates are given too.
  virtual Tensor Loss(const Tensor& y, const Tensor& v, const Gates& gates) const = 0;
  virtual int num_weights() const = 0;
  // The gate that is weight i's rate; "" where the loss weighs the rows already.
  virtual std::string rate(int i) const = 0;
  virtual Tensors InitWeights(const MemoryDims& dims, DType dtype,
                              const RandomStream& stream) const = 0;

  // What the rule adds to the state; the tensors that its network reads, as Fixed, come first.
  virtual Tensors InitMore(const Tensors& weights, const MemoryDims& dims, DType dtype) const = 0;
  virtual std::vector<std::string> more_names() const = 0;
  // The same after n tokens, with their gates [batch, n].
  virtual Tensors Advance(Tensors more, const Gates& gates, int64_t n) const = 0;
  // scale_t of the next n tokens, or after the last for n = 0: [batch, max(n, 1), 1]. Empty: tokens
  // read W alone.
  virtual Tensor Scale(const Tensors& more, int64_t n) const = 0;
  // The state after a full chunk: W written, S empty.
  virtual void Write(Tensors& w, Tensors& s, Tensors& more) const = 0;
  // Whether outer gradients take a step for a function of values and gates alone, and not of the
  // weights and keys it was measured at (first-order MAML, Finn et al. 2017).
  virtual bool first_order() const { return false; }

  std::vector<std::string> state_names() const override;
  bool anchored() const override { return true; }
  State Init(const MemoryDims& dims, DType dtype, const RandomStream& stream) const override;
  State Step(const State& state, const State& anchor, const Block& block) const override;
  Tensor Read(const State& state, const Tensor& q) const override;
  State EndChunk(State state, const State& anchor) const override;
  ScanResult Chunk(const Rows& chunk, const State& state, const State& anchor) const override;

 private:
  struct Parts {
    Tensors w, s, more;
  };
  Parts Split(const State& state) const;
  static State Join(const Parts& parts);
  struct Measured {
    InnerFactors gradient;
    Tensor y;  // Of the keys.
  };
  Measured Measure(const Parts& parts, const Tensor& k, const Tensor& v, const Gates& gates) const;
  State After(const Parts& parts, const InnerFactors& g, const Gates& gates, int64_t n) const;
};

}  // namespace palimpsest

#endif  // MEMORY_RULES_CHUNK_MEMORY_H_
