#ifndef CONFORMANCE_MEASURE_H_
#define CONFORMANCE_MEASURE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "conformance/gradients.h"
#include "conformance/problem.h"

namespace palimpsest {

// How far something is from what it must be, and where it is farthest.
struct Measurement {
  std::string what;   // "y", "state M", "gradient of gate beta"
  std::string where;  // How it was run: "chunks of 16, 65 tokens".
  double value = 0.0, bound = 0.0;
  int64_t step = -1;  // The token where it is worst; -1: it has none.

  bool ok() const { return value <= bound; }  // NaN is not.
};
using Measurements = std::vector<Measurement>;

// Nearest to its bound, or farthest beyond; nullptr if there are none.
const Measurement* Worst(const Measurements& measurements);
// Those that are not ok; of each `what` the worst.
Measurements Failures(const Measurements& measurements);
// "gradient of gate beta: 0.3 > 1e-06 at token 7; chunks of 4, 11 tokens"
std::string Describe(const Measurement& m);

// A tensor of a run, by name; of a token each along axis 1 if `timed`.
struct Result {
  std::string name;
  Tensor value;
  bool timed;
};
using Results = std::vector<Result>;
// Whether Problem's input of this name has a part for each token.
bool IsTimed(const std::string& input);

// What `run` makes of the problem's inputs (y, then the state's tensors), and the gradients of that
// with respect to each input, for random cotangents or those given.
Results Outputs(const Problem& p, const Tensors& outputs);
Results WithGradients(const Problem& p, const Function& run, const Tensors& dys = {});
// The same of RunForm. Tensors of these functions may be on any device, and are where `p` is.
Results WithGradients(const Problem& p, Form form, int64_t chunk, const Tensors& dys = {});

// The largest Distance.
double LargestDistance(const Results& got, const Results& want);
// A measurement a tensor: its Distance, within `bound` or what that says for its name.
void Compare(const Results& got, const Results& want, const std::string& where,
             absl::FunctionRef<double(const std::string& name)> bound, Measurements* out);
void Compare(const Results& got, const Results& want, const std::string& where, double bound,
             Measurements* out);
// The same: how many elements differ in a bit, which must be none.
void CompareBits(const Results& got, const Results& want, const std::string& where,
                 Measurements* out);
// How many tensors are not on `device`, which must be none.
void MeasureDevice(const Results& results, Device device, const std::string& where,
                   Measurements* out);
// How many elements are not finite, which must be none.
void MeasureFinite(const Results& results, const std::string& where, Measurements* out);

// "chunks of 16, 65 tokens"
std::string Where(Form form, int64_t chunk, int64_t time);

}  // namespace palimpsest

#endif  // CONFORMANCE_MEASURE_H_
