#ifndef GPU_MEASURE_H_
#define GPU_MEASURE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "core/tensor.h"

namespace palimpsest {

// --device=cpu|cuda, --repeats=N, --scale=N (an N-th of the work, to try it out on a slow device),
// --json=FILE (also a line a figure) and names of what to measure.
struct MeasureOptions {
  Device device = Device::kCuda;
  int repeats = 20;
  int64_t scale = 1;
  std::string json;
  std::vector<std::string> names;
};

// Of a program's arguments. `objection` says what is wrong with a name, "" if nothing is. Ends the
// program, with a line that says why, where an argument is wrong or there is no such device.
MeasureOptions ParseMeasureOptions(int argc, char** argv,
                                   absl::FunctionRef<std::string(const std::string&)> objection);

// The median of what `body` takes the device; some calls before do not count.
double MedianSeconds(const MeasureOptions& options, absl::FunctionRef<void()> body);

// Normal numbers, and the same again after each 2^20: for sizes that would take long to draw.
Tensor NormalBlocks(const Shape& shape, uint64_t seed, DType dtype, Device device,
                    double stddev = 1.0);

// What the device reaches, a second: a product of 8192^3 in bf16, and a copy of 1 GiB.
struct Ceilings {
  double flops, bytes;
};
Ceilings MeasureCeilings(const MeasureOptions& options);
void PrintCeilings(const Ceilings& ceilings, const MeasureOptions& options);

}  // namespace palimpsest

#endif  // GPU_MEASURE_H_
