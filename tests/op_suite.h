#ifndef TESTS_OP_SUITE_H_
#define TESTS_OP_SUITE_H_

#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "core/tensor.h"
#include "gtest/gtest.h"
#include "tests/gradcheck.h"

namespace palimpsest {

// How one input is made: element i is draw(u_i), u_i uniform in [0, 1); as integers i32.
struct Input {
  Shape shape;
  std::function<double(double u)> draw;
  bool integer = false;
};

// The inputs of one call. `Reals({{2, 3}, {3}}) + Ints({{2}}, 0, 7)` is two float tensors and one
// of ids.
struct Inputs : std::vector<Input> {
  using vector::vector;
};
Inputs operator+(Inputs a, const Inputs& b);
// Uniform in [low, high).
Inputs Reals(const std::vector<Shape>& shapes, double low = -2.0, double high = 2.0);
// Integers in [low, high).
Inputs Ints(const std::vector<Shape>& shapes, int low, int high);
// Anything: `draw` maps uniforms to values.
Inputs Drawn(const std::vector<Shape>& shapes, std::function<double(double u)> draw,
             bool integer = false);

// One op, or one way of calling it, and what to call it with. Each case of inputs goes through each
// check of the suite; have extents 0, 1 and odd ones among them, and one case large enough for
// several threads.
struct OpRow {
  std::string name;
  std::vector<Inputs> cases;
  Function f;
  double tolerance = 1.0;       // Times the default of each check.
  bool bf16 = true;             // The op takes bf16,
  double bf16_tolerance = 1.0;  // within its tolerance times this.
  std::vector<Inputs> bad{};    // These end in an error that names the op and every shape.
  std::string op{};             // The name in errors, where it is not `name`.
};

// Runs `f` in a child process and expects it to end in a failed check of `op` that shows each of
// `shapes`.
void ExpectShapeError(const std::string& op, const std::vector<Shape>& shapes,
                      absl::FunctionRef<void()> f);

// The conformance suite. A file of rows is a test of its own:
//   PALIMPSEST_OP_ROWS(Norm, NormRows());  // std::vector<OpRow> NormRows() { ... }
class OpSuite : public testing::TestWithParam<OpRow> {};

inline void PrintTo(const OpRow& row, std::ostream* os) { *os << row.name; }

#define PALIMPSEST_OP_ROWS(theme, rows)                                                 \
  INSTANTIATE_TEST_SUITE_P(theme, OpSuite, testing::ValuesIn<std::vector<OpRow>>(rows), \
                           [](const auto& info) { return info.param.name; })

}  // namespace palimpsest

#endif  // TESTS_OP_SUITE_H_
