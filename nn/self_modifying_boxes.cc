#include "nn/self_modifying_boxes.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "memory_rules/rows.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

bool IsScalar(Box box) { return box == Box::kEta || box == Box::kKeep; }

// Boxes whose first map is not silent, or keys and values would start as the same vector.
bool StartsAtRandom(Box box) {
  return box == Box::kKey || box == Box::kValue || box == Box::kQuery;
}

Tensor Drawn(const Shape& shape, DType dtype, const RandomStream& stream) {
  return RandomNormal(shape, stream, dtype, 1.0 / std::sqrt(static_cast<double>(shape[2])));
}

}  // namespace

const char* NameOf(Box box) {
  static const char* const names[] = {"k", "v", "q", "memory", "eta", "keep"};
  return names[static_cast<int>(box)];
}

BoxStack::BoxStack(const ModelConfig::SelfModifying& config, std::vector<Box> boxes)
    : heads_(config.heads()),
      key_(config.key_dim()),
      hidden_(config.hidden()),
      mlp_(config.structure() == ModelConfig::SelfModifying::MLP),
      gelu_(config.activation() == ModelConfig::SelfModifying::GELU),
      boxes_(std::move(boxes)) {
  PALIMPSEST_CHECK(!boxes_.empty() && std::is_sorted(boxes_.begin(), boxes_.end()))
      << "boxes out of order";
  scalars_ = std::count_if(boxes_.begin(), boxes_.end(), IsScalar);
  vectors_ = static_cast<int64_t>(boxes_.size()) - scalars_;
  groups_ = {1};
  if (mlp_ && vectors_ > 0) groups_.push_back(vectors_);
  if (mlp_ && scalars_ > 0) groups_.push_back(scalars_);
}

bool BoxStack::Has(Box box) const {
  return std::find(boxes_.begin(), boxes_.end(), box) != boxes_.end();
}

int64_t BoxStack::SizeOf(Box box) const { return IsScalar(box) ? 1 : key_; }

int64_t BoxStack::PlaceOf(Box box) const {
  PALIMPSEST_CHECK(Has(box)) << NameOf(box) << " is not of this stack";
  return std::find(boxes_.begin(), boxes_.end(), box) - boxes_.begin();
}

int64_t BoxStack::FirstOutput(Box box) const {
  const int64_t at = PlaceOf(box);
  return at < vectors_ ? at * key_ : vectors_ * key_ + at - vectors_;
}

Tensors BoxStack::Draw(Box box, DType dtype, const RandomStream& stream) const {
  const Shape outer{heads_, SizeOf(box), mlp_ ? hidden_ : key_};
  const Tensor last =
      StartsAtRandom(box) ? Drawn(outer, dtype, stream.Fork(1)) : Tensor::Full(outer, 0.0, dtype);
  if (!mlp_) return {last};
  return {Drawn({heads_, hidden_, key_}, dtype, stream.Fork(0)), last};
}

Tensors BoxStack::Join(const std::map<Box, Tensors>& weights) const {
  Tensors first, vectors, scalars;
  for (Box box : boxes_) {
    const Tensors& w = weights.at(box);
    first.push_back(w[0]);
    if (mlp_) (IsScalar(box) ? scalars : vectors).push_back(w[1]);
  }
  Tensors joined = {Concat(first, 1)};
  for (const Tensors& group : {vectors, scalars}) {
    if (group.empty()) continue;
    const int64_t n = static_cast<int64_t>(group.size());
    joined.push_back(
        Reshape(Concat(group, 1), {group[0].dim(0) * n, group[0].dim(1), group[0].dim(2)}));
  }
  return joined;
}

Tensors BoxStack::Of(Box box, const Tensors& weights) const {
  const int64_t at = PlaceOf(box);
  const auto rows = [](const Tensor& w, int64_t begin, int64_t count) {
    return Slice(w, 1, begin, begin + count);
  };
  if (!mlp_) return {rows(weights[0], FirstOutput(box), SizeOf(box))};
  const bool scalar = IsScalar(box);
  const Tensor& outer = weights[scalar && vectors_ > 0 ? 2 : 1];
  const int64_t n = scalar ? scalars_ : vectors_, size = SizeOf(box);
  const Tensor side_by_side = Reshape(outer, {outer.dim(0) / n, n * size, hidden_});
  return {rows(weights[0], at * hidden_, hidden_),
          rows(side_by_side, (scalar ? at - vectors_ : at) * size, size)};
}

// W_2 h of boxes side by side: h [batch, rows, boxes hidden] -> [batch, rows, boxes out].
Tensor BoxStack::Outer(const Weights& w, int i, const Tensor& h) const {
  const int64_t batch = h.dim(0), rows = h.dim(1), n = groups_[i];
  const Tensor y = w.Apply(i, FoldHeads(Reshape(h, {batch, rows, n, hidden_})));
  return Reshape(FromRows(y, batch, n), {batch, rows, n * y.dim(2)});
}

Tensor BoxStack::WithIdentity(const Tensor& y, const Tensor& x) const {
  const Shape each{x.dim(0), x.dim(1), vectors_, key_};
  return Reshape(Add(Reshape(y, each), Reshape(x, {x.dim(0), x.dim(1), 1, key_})), y.shape());
}

Tensor BoxStack::Forward(const Weights& w, const Tensor& x) const {
  const auto rows_of_numbers = [&] { return MatMul(x, w.Fixed(0), {.b = true}); };
  const Tensor z = w.Apply(0, x);
  if (!mlp_) {
    if (scalars_ == 0) return WithIdentity(z, x);
    Tensors skips(vectors_, x);
    skips.push_back(rows_of_numbers());
    return Add(z, Concat(skips, 2));
  }
  const Tensors h = Split(gelu_ ? Gelu(z) : Silu(z), {vectors_ * hidden_, scalars_ * hidden_}, 2);
  Tensors parts;
  if (vectors_ > 0) parts.push_back(WithIdentity(Outer(w, 1, h[0]), x));
  if (scalars_ > 0)
    parts.push_back(Add(Outer(w, static_cast<int>(parts.size()) + 1, h[1]), rows_of_numbers()));
  return parts.size() == 1 ? parts[0] : Concat(parts, 2);
}

Tensor BoxStack::Read(Box box, const Tensors& weights, const Tensor& rows_of_numbers,
                      const Tensor& x) const {
  const Tensors w = Of(box, weights);
  Tensor y = MatMul(x, w[0], {.b = true});
  if (mlp_) y = MatMul(gelu_ ? Gelu(y) : Silu(y), w[1], {.b = true});
  if (!IsScalar(box)) return Add(y, x);
  const int64_t at = PlaceOf(box) - vectors_;
  return Add(y, MatMul(x, Slice(rows_of_numbers, 1, at, at + 1), {.b = true}));
}

Tensor BoxStack::Bounded(size_t i, const Tensor& left, double longest) const {
  const auto bounded = [&](const Tensor& rows) {
    const Tensor bound = Tensor::Full({}, longest, rows.dtype(), rows.device());
    return Mul(rows, Div(bound, Maximum(Norm(rows, {-1}, /*keep=*/true), bound)));
  };
  const int64_t batch = left.dim(0), rows = left.dim(1);
  const auto each = [&](const Tensor& boxes, int64_t size) {
    const Shape apart{batch, rows, boxes.dim(2) / size, size};
    return Reshape(bounded(Reshape(boxes, apart)), boxes.shape());
  };
  if (i > 0) return bounded(left);
  if (mlp_) return each(left, hidden_);
  const Tensors parts = Split(left, {vectors_ * key_, scalars_}, 2);
  return Concat({each(parts[0], key_), each(parts[1], 1)}, 2);
}

Tensor BoxStack::Output(Box box, const Tensor& all) const {
  return Slice(all, 2, FirstOutput(box), FirstOutput(box) + SizeOf(box));
}

}  // namespace palimpsest
