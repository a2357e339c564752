#ifndef NN_SELF_MODIFYING_BOXES_H_
#define NN_SELF_MODIFYING_BOXES_H_

#include <cstdint>
#include <map>
#include <vector>

#include "core/random.h"
#include "core/tensor.h"
#include "memory_rules/inner_gradient.h"
#include "nn/model.pb.h"

namespace palimpsest {

// What a self-modifying memory makes for itself, in the order of a stack.
enum class Box { kKey, kValue, kQuery, kMemory, kEta, kKeep };
const char* NameOf(Box box);  // As in configs: "k".

// Memories of one chunk size, each a map of a head's vector x (Behrouz et al. 2025, "Nested
// Learning", eq. 89, 91):
//   LINEAR  f(x) = x + M x,   MLP  f(x) = x + W_2 s(W_1 x)
// of which eta and keep, a number each, have a learnt row in place of the identity. They are
// written at the same inputs, so their M, or W_1, stand below each other in one matrix. Tensors: M,
// or W_1 [batch, rows, in] and W_2 [batch boxes, out, hidden] of those with vectors, then of those
// with numbers.
class BoxStack {
 public:
  // `config` is resolved; `boxes` in the order of the enum.
  BoxStack(const ModelConfig::SelfModifying& config, std::vector<Box> boxes);

  const std::vector<Box>& boxes() const { return boxes_; }
  bool Has(Box box) const;
  // Numbers among them.
  int64_t scalars() const { return scalars_; }
  // How many boxes tensor i has side by side in its batch.
  int64_t groups(size_t i) const { return groups_[i]; }
  size_t num_weights() const { return groups_.size(); }

  // First values of one box: [heads, ...], those of the memory, eta and keep silent.
  Tensors Draw(Box box, DType dtype, const RandomStream& stream) const;
  // The tensors of the stack from those of each box, [batch, ...]; and back.
  Tensors Join(const std::map<Box, Tensors>& weights) const;
  Tensors Of(Box box, const Tensors& weights) const;

  // x [batch, rows, key] -> what all boxes say, [batch, rows, outputs]. Fixed(0): the rows of
  // numbers, [batch, scalars, key].
  Tensor Forward(const Weights& w, const Tensor& x) const;
  // What one box says, without the others: [batch, rows, key or 1].
  Tensor Read(Box box, const Tensors& weights, const Tensor& rows_of_numbers,
              const Tensor& x) const;
  // The gradient at the output of tensor i, each box's row no longer than `longest`.
  Tensor Bounded(size_t i, const Tensor& left, double longest) const;
  // The part of one: [batch, rows, key or 1].
  Tensor Output(Box box, const Tensor& all) const;

 private:
  Tensor WithIdentity(const Tensor& y, const Tensor& x) const;
  Tensor Outer(const Weights& w, int i, const Tensor& h) const;
  int64_t SizeOf(Box box) const;
  int64_t PlaceOf(Box box) const;
  int64_t FirstOutput(Box box) const;

  const int64_t heads_, key_, hidden_;
  const bool mlp_, gelu_;
  const std::vector<Box> boxes_;
  int64_t vectors_ = 0, scalars_ = 0;
  std::vector<int64_t> groups_;
};

}  // namespace palimpsest

#endif  // NN_SELF_MODIFYING_BOXES_H_
