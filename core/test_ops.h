#ifndef CORE_TEST_OPS_H_
#define CORE_TEST_OPS_H_

#include <cmath>
#include <vector>

#include "core/op_scope.h"
#include "core/tape.h"
#include "core/tensor.h"

// The few ops that core's own tests need: f64, equal shapes.
namespace palimpsest::test_ops {

inline Tensor Vector(const std::vector<double>& values) {
  return Tensor::FromVector({static_cast<int64_t>(values.size())}, values, DType::kF64);
}

template <typename F>
Tensor Zip(const Tensor& a, const Tensor& b, F f) {
  Tensor y = Tensor::Empty(a.shape(), DType::kF64);
  for (int64_t i = 0; i < y.size(); ++i) {
    y.mutable_data<double>()[i] = f(a.data<double>()[i], b.data<double>()[i]);
  }
  return y;
}

inline Tensor Add(const Tensor& a, const Tensor& b) {
  const OpScope scope("add");
  const auto same = [](const Tensor& dy) { return dy; };
  return Record(Zip(a, b, std::plus<double>()), {{a, same}, {b, same}});
}

inline Tensor Mul(const Tensor& a, const Tensor& b) {
  const OpScope scope("mul");
  return Record(Zip(a, b, std::multiplies<double>()),
                {{a, [b](const Tensor& dy) { return Mul(dy, b); }},
                 {b, [a](const Tensor& dy) { return Mul(dy, a); }}});
}

inline Tensor Exp(const Tensor& x) {
  const OpScope scope("exp");
  const Tensor y = Zip(x, x, [](double v, double) { return std::exp(v); });
  return Record(y, {{x, [y](const Tensor& dy) { return Mul(dy, y); }}});
}

// Links the sum that tapes need.
[[maybe_unused]] inline const bool registered_add =
    SetAccumulate([](Tensor a, const Tensor& b) { return Add(a, b); });

}  // namespace palimpsest::test_ops

#endif  // CORE_TEST_OPS_H_
