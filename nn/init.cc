#include "nn/init.h"

#include <utility>
#include <vector>

namespace palimpsest {

ParamInit ParamInit::At(const std::string& name) const {
  ParamInit child = *this;
  child.path = path.empty() ? name : path + "." + name;
  return child;
}

Tensor ParamInit::Normal(Shape shape, double stddev) const {
  if (uninitialized) return Tensor::Empty(std::move(shape), dtype);
  return RandomNormal(std::move(shape), Stream(), dtype, stddev);
}

Tensor ParamInit::Uniform(Shape shape, double low, double high) const {
  if (uninitialized) return Tensor::Empty(std::move(shape), dtype);
  const RandomStream draws = Stream();
  std::vector<double> values(NumElements(shape));
  for (size_t i = 0; i < values.size(); ++i) values[i] = low + (high - low) * draws.Uniform(i);
  return Tensor::FromVector(std::move(shape), values, dtype);
}

Tensor ParamInit::Constant(Shape shape, double value) const {
  if (uninitialized) return Tensor::Empty(std::move(shape), dtype);
  return Tensor::Full(std::move(shape), value, dtype);
}

DType StateDType(DType dtype) { return dtype == DType::kF64 ? DType::kF64 : DType::kF32; }

}  // namespace palimpsest
