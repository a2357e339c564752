#include "nn/init.h"

#include <utility>
#include <vector>

#include "core/shape_only.h"

namespace palimpsest {

ParamInit ParamInit::At(const std::string& name) const {
  ParamInit child = *this;
  child.path = path.empty() ? name : path + "." + name;
  return child;
}

Tensor ParamInit::Normal(Shape shape, double stddev) const {
  if (uninitialized) return ShapeOnly(std::move(shape), dtype);
  return Placed(RandomNormal(std::move(shape), Stream(), dtype, stddev));
}

Tensor ParamInit::Uniform(Shape shape, double low, double high) const {
  const RandomStream draws = Stream();
  return Values(std::move(shape), [&](int64_t i) {
    return low + (high - low) * draws.Uniform(static_cast<uint64_t>(i));
  });
}

Tensor ParamInit::Constant(Shape shape, double value) const {
  if (uninitialized) return ShapeOnly(std::move(shape), dtype);
  return Tensor::Full(std::move(shape), value, dtype, device);
}

Tensor ParamInit::Values(Shape shape, absl::FunctionRef<double(int64_t)> value) const {
  if (uninitialized) return ShapeOnly(std::move(shape), dtype);
  std::vector<double> values(static_cast<size_t>(NumElements(shape)));
  for (size_t i = 0; i < values.size(); ++i) values[i] = value(static_cast<int64_t>(i));
  return Placed(Tensor::FromVector(std::move(shape), values, dtype));
}

DType StateDType(DType dtype) { return dtype == DType::kF64 ? DType::kF64 : DType::kF32; }

}  // namespace palimpsest
