#ifndef KERNELS_OPTIMIZER_KERNEL_ROWS_H_
#define KERNELS_OPTIMIZER_KERNEL_ROWS_H_

#include <functional>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "kernels/update.h"

// Every optimizer kernel and its definition, as one table, for tests.
namespace palimpsest {

inline DType StateOf(DType gradient) { return gradient == DType::kF64 ? DType::kF64 : DType::kF32; }

// Tensors of a kernel. Input 0 is the parameter, 1 the gradient; those from 2 on are state, none
// negative.
struct Call {
  Device device;
  DType dtype;
  int64_t size;
  std::vector<const void*> in;
  std::vector<void*> out;
  void* low = nullptr;
  double grad_scale = 0.7;
  bool reference = false;

  Tensor On(std::vector<double> values, DType of) const {
    const auto count = static_cast<int64_t>(values.size());
    return CopyTo(Tensor::FromVector({count}, values, of), device);
  }
  // What comes as numbers that lie where the tensors are.
  Tensor scalars() const { return On({grad_scale, 2.0, 0.03}, DType::kF64); }
  Scalar Steps(const Tensor& scalars) const {
    return Scalar(scalars.data<double>() + 1, -1.0, 5.0);
  }
  const double* Rate(const Tensor& scalars) const { return scalars.data<double>() + 2; }
  ParamUpdate Update(const Tensor& scalars) const {
    return {.dtype = dtype,
            .size = size,
            .param = in[0],
            .grad = in[1],
            .param_out = out.empty() ? nullptr : out[0],
            .low_out = low,
            .steps = Steps(scalars),
            .grad_scale = scalars.data<double>()};
  }
};

struct Row {
  std::string name;
  size_t inputs;
  std::vector<size_t> in_place;  // The input that each output may be.
  // What is returned: numbers that it comes to besides.
  std::function<std::vector<double>(const Call&)> run;
  bool of_parameters = true;  // bf16 ones, too; and can be skipped.
};

const std::vector<Row>& Rows();

}  // namespace palimpsest

#endif  // KERNELS_OPTIMIZER_KERNEL_ROWS_H_
