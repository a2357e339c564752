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

Tensor Plus(const Tensor& sum, const Tensor& x) { return sum ? Add(sum, x) : x; }

}  // namespace

void PairSumsTap::Prepare(const Listener& listener, const Tensor& x) {
  const PairRequest& request = listener.request;
  if (last_.x == x.id() && last_.request == request.name && last_.dtype == listener.dtype) return;
  const Tensor rows = AsRows(x, listener.dtype);
  last_ = {};
  last_.x = x.id(), last_.request = request.name, last_.dtype = listener.dtype;
  last_.scales = request.scales(rows);
  Tensor scale = last_.scales.key;
  if (mask_) {
    PALIMPSEST_CHECK(mask_.size() == rows.dim(0))
        << "a mask " << mask_ << " for the " << rows.dim(0) << " tokens of " << listener.path;
    scale = Mul(scale, Reshape(Cast(mask_, listener.dtype), {rows.dim(0), 1}));
  }
  last_.keys = Mul(rows, scale);
}

bool PairSumsTap::See(const Tensor& weight, const Tensor& x, const Tensor& dy) {
  const OpScope scope("pair_sums");
  const Listener& listener = listeners_.at(weight.id());
  Prepare(listener, x);
  const Tensor& k = last_.keys;
  Tensor d = AsRows(dy, listener.dtype);
  if (last_.scales.value) d = Mul(d, last_.scales.value);
  Tensor value_key = MatMul(d, k, {.a = true});
  if (last_.scales.product != 1.0) value_key = Mul(value_key, last_.scales.product);
  PairSums& sums = sums_[listener.path];
  sums.value_key = Plus(sums.value_key, value_key);
  if (const Tensor& m = listener.request.read_with) {
    sums.read_key = Plus(sums.read_key, MatMul(MatMul(k, m, {.b = true}), k, {.a = true}));
    return listener.wants_gradient;
  }
  if (!last_.key_key) last_.key_key = Gram(k, /*of_columns=*/true);
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

}  // namespace palimpsest
