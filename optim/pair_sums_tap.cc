#include "optim/pair_sums_tap.h"

#include "core/op_scope.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/linalg.h"

namespace palimpsest {
namespace {

// [..., n] -> [rows, n] in `dtype`.
Tensor AsRows(const Tensor& x, DType dtype) {
  const Shape leading(x.shape().begin(), x.shape().end() - 1);
  return Cast(Reshape(x, {NumElements(leading), x.dim(-1)}), dtype);
}

Tensor Times(const Tensor& x, double factor) { return factor == 1.0 ? x : Mul(x, factor); }

Tensor Plus(const Tensor& sum, const Tensor& x) { return sum ? Add(sum, x) : x; }

}  // namespace

void PairSumsTap::Prepare(const Listener& listener, const Tensor& x) {
  const PairRequest& request = listener.request;
  if (last_.x == x.id() && last_.request == request.name && last_.dtype == listener.dtype) return;
  const Tensor rows = AsRows(x, listener.dtype);
  last_ = {};
  last_.x = x.id(), last_.request = request.name, last_.dtype = listener.dtype;
  last_.made = request.keys(rows);
  if (!mask_) return;
  PALIMPSEST_CHECK(mask_.size() == rows.dim(0))
      << "a mask " << mask_ << " for the " << rows.dim(0) << " tokens of " << listener.path;
  last_.made.keys = Mul(last_.made.keys, Reshape(Cast(mask_, listener.dtype), {rows.dim(0), 1}));
}

bool PairSumsTap::See(const Tensor& weight, const Tensor& x, const Tensor& dy) {
  const OpScope scope("pair_sums");
  const Listener& listener = listeners_.at(weight.id());
  Prepare(listener, x);
  const TokenKeys& made = last_.made;
  const Tensor& k = made.keys;
  Tensor d = AsRows(dy, listener.dtype);
  if (made.value) d = Mul(d, made.value);
  PairSums& sums = sums_[listener.path];
  sums.value_key = Plus(sums.value_key, Times(MatMul(d, k, {.a = true}), made.value_key));
  if (const Tensor& m = listener.request.read_with) {
    const Tensor read = MatMul(MatMul(k, m, {.b = true}), k, {.a = true});
    sums.read_key = Plus(sums.read_key, Times(read, made.key_key));
    return listener.wants_gradient;
  }
  if (!last_.key_key) last_.key_key = Times(Gram(k, /*of_columns=*/true), made.key_key);
  Tensor& added = last_.added[sums.key_key ? sums.key_key.id() : 0];
  if (!added) added = Plus(sums.key_key, last_.key_key);
  sums.key_key = added;
  return listener.wants_gradient;
}

std::vector<std::string> PairSumsTap::Unseen() const {
  std::vector<std::string> paths;
  for (const auto& [id, listener] : listeners_) {
    if (!sums_.contains(listener.path)) paths.push_back(listener.path);
  }
  return paths;
}

void PairSumsTap::Close() {
  last_ = {};
  for (auto& [id, listener] : listeners_) listener.request = {};
}

}  // namespace palimpsest
