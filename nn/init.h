#ifndef NN_INIT_H_
#define NN_INIT_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "core/random.h"
#include "core/tensor.h"

namespace palimpsest {

// Draws first values. Each depends on the stream and the parameter's own path alone, so adding a
// layer changes no other.
struct ParamInit {
  RandomStream stream;
  DType dtype;
  Device device = Device::kCpu;  // Where values go; they are drawn on the host.
  double stddev = 0;             // Of weights that read the residual stream.
  double residual_stddev = 0;    // Of weights that write to it.
  std::string path = {};
  bool uninitialized = false;  // Shapes alone, without memory (ShapeOnly).

  ParamInit At(const std::string& name) const;  // "blocks.0" -> "blocks.0.mixer"
  RandomStream Stream() const { return stream.Fork(path); }
  // `x`, made on the host, on the device; of a model of shapes alone, where it is.
  Tensor Placed(const Tensor& x) const { return uninitialized ? x : CopyTo(x, device); }
  Tensor Normal(Shape shape, double stddev) const;
  Tensor Uniform(Shape shape, double low, double high) const;
  Tensor Constant(Shape shape, double value) const;
  // Element i, in row-major order, is value(i).
  Tensor Values(Shape shape, absl::FunctionRef<double(int64_t)> value) const;
};

// What gates and recurrent states are computed and kept in: f64 for f64, f32 for all else.
DType StateDType(DType dtype);

}  // namespace palimpsest

#endif  // NN_INIT_H_
