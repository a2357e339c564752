// The elementwise kernels of each device against the CPU's, whose functions the op suite checks.
#include "kernels/elementwise.h"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "core/allocator.h"
#include "core/random.h"
#include "core/tensor.h"
#include "gtest/gtest.h"

namespace palimpsest {
namespace {

constexpr DType kFloats[] = {DType::kF64, DType::kF32, DType::kBf16};
constexpr DType kAll[] = {DType::kF64, DType::kF32, DType::kBf16, DType::kI32, DType::kI64};
constexpr int64_t kSizes[] = {0, 1, 63, 65, 100, 4099};

// Rounding of the last operation, and what libraries differ by in the function itself.
double Tolerance(DType dtype) {
  return dtype == DType::kF64 ? 1e-13 : dtype == DType::kF32 ? 4e-6 : 0x1p-7;
}

class ElementwiseTest : public testing::TestWithParam<Device> {
 protected:
  void SetUp() override {
    if (!Allocator::Has(GetParam())) GTEST_SKIP() << "there is no device " << GetParam();
  }
};

// Normal numbers and what functions must get right: zeros, infinities, NaN, the ends of the range.
Tensor Values(int64_t n, uint64_t seed, DType dtype) {
  static const double special[] = {0.0, -0.0, 1.0,      -1.0,      30.0,        -30.0,
                                   1e4, -1e4, INFINITY, -INFINITY, std::nan("")};
  std::vector<double> values =
      RandomNormal({n}, RandomStream(seed, "elementwise"), DType::kF64, 2.0).ToVector();
  if (!IsFloat(dtype)) {
    for (double& v : values) v = std::round(v * 10.0);
  } else {
    for (size_t i = seed; i < values.size(); i += 7)
      values[i] = special[(i / 7 + seed) % std::size(special)];
  }
  return Tensor::FromVector({n}, values, dtype);
}

// Without the first element, so that nothing lies on a vector's boundary.
Tensor Shifted(const Tensor& x) { return x.size() > 1 ? x.Rows(1, x.size()) : x; }

// Relative to the result or, where terms may have cancelled, to a tenth of the operands.
void ExpectSame(const Tensor& got, const Tensor& want, double tolerance, const std::string& what,
                const std::vector<double>& operands = {}) {
  const std::vector<double> x = got.ToVector(), y = want.ToVector();
  ASSERT_EQ(x.size(), y.size());
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(y[i]) ? std::isnan(x[i]) : x[i] == y[i]) continue;
    const double terms = operands.empty() || !std::isfinite(operands[i]) ? 0.0 : 0.1 * operands[i];
    ASSERT_NEAR(x[i], y[i], tolerance * (terms + std::abs(y[i]))) << what << " at " << i;
  }
}

// 1 + |x|
std::vector<double> Magnitudes(const Tensor& x) {
  std::vector<double> values = x.ToVector();
  for (double& v : values) v = 1.0 + std::abs(v);
  return values;
}

TEST_P(ElementwiseTest, Unary) {
  for (DType dtype : kFloats) {
    for (int64_t n : kSizes) {
      for (bool shift : {false, true}) {
        const Tensor all = Values(n, 1, dtype), x = shift ? Shifted(all) : all;
        const Tensor there_all = CopyTo(all, GetParam()),
                     there = shift ? Shifted(there_all) : there_all;
        for (int op = 0; op <= static_cast<int>(UnaryOp::kGeluSecond); ++op) {
          UnaryArgs args{static_cast<UnaryOp>(op), dtype, x.size(), x.raw(), nullptr, 0.5, 1.5};
          Tensor want = Tensor::Empty(x.shape(), dtype),
                 got = Tensor::Empty(x.shape(), dtype, GetParam());
          args.y = want.mutable_raw();
          unary(Device::kCpu, args);
          args.x = there.raw(), args.y = got.mutable_raw();
          unary(GetParam(), args);
          ExpectSame(got, want, 8 * Tolerance(dtype),
                     "unary " + std::to_string(op) + " " + NameOf(dtype), Magnitudes(x));
        }
      }
    }
  }
}

// [rows, n] with each operand whole, a row, a column or one number.
struct Operands {
  Shape shape;
  std::vector<int64_t> a_strides, b_strides;
  int64_t a_size, b_size;
};

std::vector<Operands> Broadcasts(int64_t n) {
  const int64_t rows = 3;
  return {{{n}, {1}, {1}, n, n},
          {{n}, {0}, {1}, 1, n},
          {{n}, {1}, {0}, n, 1},
          {{rows, n}, {n, 1}, {0, 1}, rows * n, n},
          {{rows, n}, {1, 0}, {n, 1}, rows, rows * n},
          {{2, rows, n}, {0, n, 1}, {rows, 1, 0}, rows * n, 2 * rows}};
}

template <typename Args>
void Place(Args& args, const Operands& o) {
  args.rank = static_cast<int>(o.shape.size());
  std::copy(o.shape.begin(), o.shape.end(), args.shape);
  std::copy(o.a_strides.begin(), o.a_strides.end(), args.a_strides);
  std::copy(o.b_strides.begin(), o.b_strides.end(), args.b_strides);
}

// The magnitudes of the two operands of each element, multiplied.
std::vector<double> Magnitudes(const Operands& o, const Tensor& a, const Tensor& b) {
  const std::vector<double> of_a = Magnitudes(a), of_b = Magnitudes(b);
  std::vector<double> all(NumElements(o.shape));
  for (size_t i = 0; i < all.size(); ++i) {
    int64_t rest = static_cast<int64_t>(i), at_a = 0, at_b = 0;
    for (size_t axis = o.shape.size(); axis-- > 0; rest /= o.shape[axis]) {
      at_a += rest % o.shape[axis] * o.a_strides[axis];
      at_b += rest % o.shape[axis] * o.b_strides[axis];
    }
    all[i] = of_a[at_a] * of_b[at_b];
  }
  return all;
}

TEST_P(ElementwiseTest, Binary) {
  for (DType dtype : kAll) {
    for (int64_t n : kSizes) {
      for (const Operands& o : Broadcasts(n)) {
        const Tensor a = Values(o.a_size, 1, dtype), b = Values(o.b_size, 2, dtype);
        const Tensor there_a = CopyTo(a, GetParam()), there_b = CopyTo(b, GetParam());
        for (int i = 0; i <= static_cast<int>(BinaryOp::kEqual); ++i) {
          const auto op = static_cast<BinaryOp>(i);
          const bool mask = op >= BinaryOp::kGreater;
          const bool integer =
              op <= BinaryOp::kMul || op == BinaryOp::kMaximum || op == BinaryOp::kMinimum || mask;
          if (!IsFloat(dtype) && !integer) continue;
          const DType out = mask ? DType::kI32 : dtype;
          BinaryArgs args{.op = op,
                          .dtype = dtype,
                          .rank = 0,
                          .shape = {},
                          .a_strides = {},
                          .b_strides = {},
                          .a = a.raw(),
                          .b = b.raw(),
                          .out = nullptr};
          Place(args, o);
          args.p = -0.5, args.q = 0.5;
          Tensor want = Tensor::Empty(o.shape, out), got = Tensor::Empty(o.shape, out, GetParam());
          args.out = want.mutable_raw();
          binary(Device::kCpu, args);
          args.a = there_a.raw(), args.b = there_b.raw(), args.out = got.mutable_raw();
          binary(GetParam(), args);
          ExpectSame(got, want, 8 * Tolerance(dtype),
                     "binary " + std::to_string(i) + " " + NameOf(dtype) + " " + ToString(o.shape),
                     Magnitudes(o, a, b));
        }
      }
    }
  }
}

TEST_P(ElementwiseTest, Where) {
  for (DType dtype : kAll) {
    for (int64_t n : kSizes) {
      for (const Operands& o : Broadcasts(n)) {
        const Tensor a = Values(o.a_size, 1, dtype), b = Values(o.b_size, 2, dtype);
        const Tensor mask = Tensor::FromVector({2}, {0.0, 1.0}, DType::kI32);
        WhereArgs args{.dtype = dtype,
                       .rank = 0,
                       .shape = {},
                       .mask_strides = {},
                       .a_strides = {},
                       .b_strides = {},
                       .mask = mask.data<int32_t>(),
                       .a = a.raw(),
                       .b = b.raw(),
                       .out = nullptr};
        Place(args, o);
        if (args.shape[0] == 2) args.mask_strides[0] = 1;
        Tensor want = Tensor::Empty(o.shape, dtype),
               got = Tensor::Empty(o.shape, dtype, GetParam());
        args.out = want.mutable_raw();
        where(Device::kCpu, args);
        const Tensor there_mask = CopyTo(mask, GetParam()), there_a = CopyTo(a, GetParam()),
                     there_b = CopyTo(b, GetParam());
        args.mask = there_mask.data<int32_t>();
        args.a = there_a.raw(), args.b = there_b.raw(), args.out = got.mutable_raw();
        where(GetParam(), args);
        ExpectSame(got, want, 0.0, "where of " + std::string(NameOf(dtype)));
      }
    }
  }
}

TEST_P(ElementwiseTest, WhereInPlace) {
  for (DType dtype : kAll) {
    for (int64_t n : kSizes) {
      for (const double chosen : {0.0, 1.0}) {
        const Tensor a = Values(n, 1, dtype), b = Values(n, 2, dtype);
        const Tensor mask = CopyTo(Tensor::FromVector({1}, {chosen}, DType::kI32), GetParam()),
                     there = CopyTo(a, GetParam());
        Tensor kept = Tensor::Empty({n}, dtype, GetParam());
        Overwrite(kept, CopyTo(b, GetParam()));
        where(GetParam(), {.dtype = dtype,
                           .rank = 1,
                           .shape = {n},
                           .mask_strides = {0},
                           .a_strides = {1},
                           .b_strides = {1},
                           .mask = mask.data<int32_t>(),
                           .a = there.raw(),
                           .b = kept.raw(),
                           .out = kept.mutable_raw()});
        ExpectSame(kept, chosen == 0.0 ? b : a, 0.0, "where of " + std::string(NameOf(dtype)));
      }
    }
  }
}

TEST_P(ElementwiseTest, Cast) {
  for (DType from : kAll) {
    for (DType to : kAll) {
      for (int64_t n : kSizes) {
        // What an integer cannot hold has no defined cast.
        const Tensor x = Values(n, 3, IsFloat(to) ? from : DType::kI32);
        Tensor source = Tensor::Empty({n}, from);
        cast(Device::kCpu, {x.dtype(), from, n, x.raw(), source.mutable_raw()});
        Tensor want = Tensor::Empty({n}, to), got = Tensor::Empty({n}, to, GetParam());
        cast(Device::kCpu, {from, to, n, source.raw(), want.mutable_raw()});
        const Tensor there = CopyTo(source, GetParam());
        cast(GetParam(), {from, to, n, there.raw(), got.mutable_raw()});
        ExpectSame(got, want, 0.0, std::string(NameOf(from)) + " to " + NameOf(to));
      }
    }
  }
}

// More elements than threads: each of them does several.
TEST_P(ElementwiseTest, MoreThanOnePass) {
  const int64_t packed = (int64_t{1} << 23) + 3, rows = (int64_t{1} << 20) + 3;
  const Tensor x = Values(packed, 1, DType::kF32), column = Values(rows, 2, DType::kF32);
  const Tensor there = CopyTo(x, GetParam()), there_column = CopyTo(column, GetParam());
  const auto run = [&](Device device, const Tensor& of, const Tensor& with) {
    Tensor negated = Tensor::Empty({packed}, DType::kF32, device),
           sum = Tensor::Empty({rows, 3}, DType::kF32, device);
    unary(device, {UnaryOp::kNeg, DType::kF32, packed, of.raw(), negated.mutable_raw()});
    BinaryArgs args{.op = BinaryOp::kAdd,
                    .dtype = DType::kF32,
                    .rank = 0,
                    .shape = {},
                    .a_strides = {},
                    .b_strides = {},
                    .a = of.raw(),
                    .b = with.raw(),
                    .out = sum.mutable_raw()};
    Place(args, {{rows, 3}, {3, 1}, {1, 0}, 3 * rows, rows});
    binary(device, args);
    return Tensors{negated, sum};
  };
  const Tensors want = run(Device::kCpu, x, column), got = run(GetParam(), there, there_column);
  ExpectSame(got[0], want[0], 0.0, "neg");
  ExpectSame(got[1], want[1], 0.0, "add");
}

// In place, twice: the same bits.
TEST_P(ElementwiseTest, InPlaceAndAgain) {
  const Tensor x = Values(4099, 1, DType::kF32);
  std::vector<double> first;
  for (int run = 0; run < 2; ++run) {
    Tensor there = Tensor::Full({4099}, 0.0, DType::kF32, GetParam());
    cast(GetParam(),
         {DType::kF32, DType::kF32, 4099, CopyTo(x, GetParam()).raw(), there.mutable_raw()});
    unary(GetParam(),
          {UnaryOp::kGelu, DType::kF32, there.size(), there.raw(), there.mutable_raw()});
    std::vector<double> y = there.ToVector();
    for (double& v : y) v = std::isnan(v) ? 0.0 : v;
    if (run == 0) first = y;
    EXPECT_EQ(y, first);
  }
}

// Against the CPU in f64; sizes and places that fill packs, and not.
TEST_P(ElementwiseTest, GatedVjp) {
  for (const auto function : {GateFunction::kSilu, GateFunction::kSigmoid}) {
    for (const DType dtype : {DType::kF64, DType::kF32, DType::kBf16}) {
      for (const int64_t n : {0, 1, 7, 64, 4099, 6000}) {
        const auto normal = [&](const char* name) {
          return RandomNormal({n}, RandomStream(1, name), dtype, 2.0);
        };
        const Tensor gate = normal("gate"), x = normal("x"), dy = normal("dy");
        const auto run = [&](Device device, DType as) {
          const auto there = [&](const Tensor& v) {
            Tensor wide = Tensor::Empty({n}, as);
            cast(Device::kCpu, {dtype, as, n, v.raw(), wide.mutable_raw()});
            return CopyTo(wide, device);
          };
          const Tensor g = there(gate), v = there(x), d = there(dy);
          Tensor dgate = Tensor::Empty({n}, as, device), dx = Tensor::Empty({n}, as, device);
          gated_vjp(device, {function, as, n, g.raw(), v.raw(), d.raw(), dgate.mutable_raw(),
                             dx.mutable_raw()});
          return Tensors{dgate, dx};
        };
        const Tensors got = run(GetParam(), dtype), want = run(Device::kCpu, DType::kF64);
        const double tolerance = dtype == DType::kF64 ? 1e-13 : dtype == DType::kF32 ? 1e-5 : 1e-2;
        for (size_t i = 0; i < got.size(); ++i) {
          const std::vector<double> a = got[i].ToVector(), b = want[i].ToVector();
          for (size_t j = 0; j < a.size(); ++j)
            ASSERT_NEAR(a[j], b[j], tolerance * (1 + std::abs(b[j])))
                << dtype << " " << n << " " << i;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, ElementwiseTest,
                         testing::Values(Device::kCpu, Device::kCuda, Device::kSimulatedCuda),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace palimpsest
