#ifndef GPU_KERNEL_PROBLEM_H_
#define GPU_KERNEL_PROBLEM_H_

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "gpu/measure.h"

// What kernel_benchmark measures.
namespace palimpsest {

// What one line measures. `run` keeps the tensors it works on.
struct Problem {
  std::string variant;
  double flops, bytes;
  std::function<void()> run;
};

// Tensors on the device measured, and the work on as many tokens as --scale leaves.
struct Maker {
  const MeasureOptions& options;

  Device device() const { return options.device; }
  int64_t Tokens(int64_t n) const { return std::max<int64_t>(1, n / options.scale); }
  Tensor In(const Shape& shape, DType dtype, double stddev = 1.0) const {
    return NormalBlocks(shape, 1, dtype, device(), stddev);
  }
  Tensor Out(const Shape& shape, DType dtype) const {
    return Tensor::Empty(shape, dtype, device());
  }
};

// Made one after another: all at once might not fit the device.
using Problems = std::vector<std::function<Problem()>>;

Problems GemmProblems(const Maker& make);
Problems AttentionProblems(const Maker& make);
Problems ElementwiseProblems(const Maker& make);
Problems NormProblems(const Maker& make);
Problems SoftmaxProblems(const Maker& make);
Problems CrossEntropyProblems(const Maker& make);
Problems ConvProblems(const Maker& make);
Problems AdamWProblems(const Maker& make);
Problems CopyProblems(const Maker& make);

inline double Bytes(const std::vector<Tensor>& xs) {
  double sum = 0.0;
  for (const Tensor& x : xs) sum += static_cast<double>(x.bytes());
  return sum;
}

inline std::string Size(const Tensor& x) { return absl::StrJoin(x.shape(), " "); }
inline const char* Name(DType dtype) { return dtype == DType::kBf16 ? "bf16" : "f32"; }

}  // namespace palimpsest

#endif  // GPU_KERNEL_PROBLEM_H_
