// Kernels that reduce rows and columns, on each device, against the CPU's in f64.
#include <cmath>
#include <limits>

#include "kernels/device_testing.h"
#include "kernels/norm.h"
#include "kernels/reduce.h"
#include "kernels/softmax.h"

namespace palimpsest {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

class DenseRowsTest : public DeviceTest {};

// x with NaN and infinities strewn over it.
Tensor Strewn(const Tensor& x) {
  std::vector<double> values = x.ToVector();
  const double special[] = {std::nan(""), kInfinity, -kInfinity};
  for (size_t i = 5; i < values.size(); i += 397) values[i] = special[i / 397 % 3];
  return Tensor::FromVector(x.shape(), values, x.dtype());
}

std::string Named(const char* what, const Shape& shape) { return what + ToString(shape); }

TEST_P(DenseRowsTest, Reduce) {
  for (const Shape& s :
       {Shape{3, 0, 4}, Shape{0, 5, 1}, Shape{3, 1, 1}, Shape{9, 65, 1}, Shape{2, 1500, 1},
        Shape{1, 140000, 1}, Shape{2, 700, 40}, Shape{3, 300, 3}, Shape{3, 9, 260},
        Shape{40, 16, 1}, Shape{5, 40, 12}, Shape{1, 5000, 2}}) {
    for (const ReduceOp op :
         {ReduceOp::kSum, ReduceOp::kSumSquares, ReduceOp::kSumExp, ReduceOp::kMax}) {
      const Tensor x = Normals(s, 1), shift = Normals({s[0], s[2]}, 2);
      ExpectAsInF64(Named("reduce ", s), GetParam(), {op == ReduceOp::kMax ? Strewn(x) : x, shift},
                    [&](const Tensors& in) -> Tensors {
                      Tensor y = EmptyAs(in[0], {s[0], s[2]});
                      reduce(y.device(),
                             {op, y.dtype(), s[0], s[1], s[2], in[0].raw(), y.mutable_raw(),
                              op == ReduceOp::kSumExp ? in[1].raw() : nullptr, 0.25});
                      return {y};
                    },
                    {.tolerance = 4.0});
    }
  }
}

const Shape kRows[] = {{0, 7}, {3, 1}, {9, 64}, {21, 65}, {2, 1032}, {3, 1099}};

TEST_P(DenseRowsTest, Softmax) {
  for (const Shape& s : kRows) {
    for (const bool log : {false, true}) {
      for (const bool strewn : {false, true}) {
        const Tensor x = Normals(s, 1, 3.0);
        ExpectAsInF64(
            Named("softmax ", s), GetParam(), {strewn ? Strewn(x) : x, Normals(s, 2)},
            [&](const Tensors& in) -> Tensors {
              Tensor y = EmptyAs(in[0]), dx = EmptyAs(in[0]);
              softmax(y.device(), {log, y.dtype(), s[0], s[1], in[0].raw(), y.mutable_raw()});
              softmax_grad(y.device(), {log, y.dtype(), s[0], s[1], in[0].raw(), in[1].raw(),
                                        dx.mutable_raw()});
              return strewn ? Tensors{y} : Tensors{y, dx};
            },
            {.tolerance = 20.0});
      }
    }
  }
}

// Of one row in which everything is ruled out but one place, and of one in which all is.
TEST_P(DenseRowsTest, SoftmaxOfMaskedRows) {
  std::vector<double> values(2 * 40, -kInfinity);
  values[17] = 3.0;
  const Tensor x = CopyTo(Tensor::FromVector({2, 40}, values, DType::kF32), GetParam());
  Tensor y = EmptyAs(x);
  softmax(GetParam(), {false, DType::kF32, 2, 40, x.raw(), y.mutable_raw()});
  const std::vector<double> got = y.ToVector();
  for (size_t i = 0; i < 40; ++i) {
    EXPECT_EQ(got[i], i == 17 ? 1.0 : 0.0);
    EXPECT_TRUE(std::isnan(got[40 + i]));
  }
}

struct NormCase {
  bool centered, weight, bias;
};

TEST_P(DenseRowsTest, Norm) {
  for (const Shape& s : kRows) {
    for (const NormCase& c : {NormCase{false, true, false}, NormCase{true, true, true},
                              NormCase{false, false, false}, NormCase{true, false, true}}) {
      const auto call = [&](const Tensors& in) -> Tensors {
        const Tensor& x = in[0];
        Tensor y = EmptyAs(x), dx = EmptyAs(x), dweight = EmptyAs(in[1]), dbias = EmptyAs(in[1]);
        const NormArgs args{c.centered,
                            1.0 / static_cast<double>(s[1]),
                            1e-2,
                            x.dtype(),
                            s[0],
                            s[1],
                            x.raw(),
                            c.weight ? in[1].raw() : nullptr,
                            c.bias ? in[2].raw() : nullptr,
                            y.mutable_raw()};
        norm(x.device(), args);
        norm_grad(x.device(),
                  {args, in[3].raw(), dx.mutable_raw(), c.weight ? dweight.mutable_raw() : nullptr,
                   c.bias ? dbias.mutable_raw() : nullptr});
        Tensors results{y, dx};
        if (c.weight) results.push_back(dweight);
        if (c.bias) results.push_back(dbias);
        return results;
      };
      ExpectAsInF64(Named("norm ", s), GetParam(),
                    {Normals(s, 1), Normals({s[1]}, 2), Normals({s[1]}, 3), Normals(s, 4)}, call,
                    {.tolerance = 20.0});
    }
  }
}

// Sums that do not fit in shared memory, of more than one part.
TEST_P(DenseRowsTest, NormOfManyLongRows) {
  const Shape s{18, 10000};
  ExpectAsInF64("norm_grad", GetParam(), {Normals(s, 1), Normals({s[1]}, 2), Normals(s, 4)},
                [&](const Tensors& in) -> Tensors {
                  Tensor dx = EmptyAs(in[0]), dweight = EmptyAs(in[1]);
                  const NormArgs args{false, 1e-4,        1e-2,        in[0].dtype(), s[0],
                                      s[1],  in[0].raw(), in[1].raw(), nullptr,       nullptr};
                  norm_grad(dx.device(),
                            {args, in[2].raw(), dx.mutable_raw(), dweight.mutable_raw(), nullptr});
                  return {dx, dweight};
                },
                {.dtypes = {DType::kF32}, .tolerance = 20.0});
}

TEST_P(DenseRowsTest, MisalignedRows) {
  const Shape s{5, 64};
  ExpectAsInF64(
      "misaligned", GetParam(), {Normals({321}, 1), Normals({65}, 2)},
      [&](const Tensors& in) -> Tensors {
        const Tensor x = Misaligned(in[0], s), weight = Misaligned(in[1], {64});
        Tensor y = EmptyAs(x), z = EmptyAs(x), sums = EmptyAs(x, {64});
        softmax(x.device(), {false, x.dtype(), s[0], s[1], x.raw(), y.mutable_raw()});
        norm(x.device(), {true, 0.1, 0.1, x.dtype(), s[0], s[1], x.raw(), weight.raw(),
                          weight.raw(), z.mutable_raw()});
        reduce(x.device(), {ReduceOp::kSum, x.dtype(), 1, s[0], s[1], x.raw(), sums.mutable_raw()});
        return {y, z, sums};
      });
}

PALIMPSEST_ON_EACH_DEVICE(DenseRowsTest);

}  // namespace
}  // namespace palimpsest
