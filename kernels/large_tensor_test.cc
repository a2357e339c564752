// Tensors of more than 2^31 elements, on a GPU: rows that are all the same must come out all the
// same. Elsewhere of fewer.
#include <algorithm>
#include <array>
#include <string>

#include "kernels/causal_conv1d.h"
#include "kernels/copy.h"
#include "kernels/device_testing.h"
#include "kernels/elementwise.h"
#include "kernels/index.h"
#include "kernels/norm.h"
#include "kernels/reduce.h"
#include "kernels/rope.h"
#include "kernels/scan.h"
#include "kernels/softmax.h"

namespace palimpsest {
namespace {

constexpr int64_t kWidth = 64;

class LargeTensorTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    if (IsSkipped()) return;
    rows_ = GetParam() == Device::kCuda ? (int64_t{1} << 31) / kWidth + 5 : 517;
    row_ = CopyTo(Rounded(Normals({1, kWidth}, 1), DType::kBf16), GetParam());
    x_ = Empty({rows_, kWidth});
    copy(GetParam(), {.element = 2,
                      .extents = x_.shape(),
                      .from_strides = {0, 1},
                      .to_strides = {kWidth, 1},
                      .from = row_.raw(),
                      .to = x_.mutable_raw()});
  }

  Tensor Empty(Shape shape) const {
    return Tensor::Empty(std::move(shape), DType::kBf16, GetParam());
  }
  // That some rows of y [rows, ...] are as the first, the last among them, and not all zeros.
  void ExpectSameRows(const Tensor& y) const {
    const std::vector<double> first = y.Rows(0, 1).ToVector();
    EXPECT_NE(first, std::vector<double>(first.size(), 0.0));
    for (const int64_t row : {int64_t{1}, rows_ / 2, rows_ - 2, rows_ - 1})
      EXPECT_EQ(y.Rows(row, row + 1).ToVector(), first) << "row " << row << " of " << y;
  }

  int64_t rows_ = 0;
  Tensor row_, x_;
};

TEST_P(LargeTensorTest, Copy) {
  ExpectSameRows(x_);
  EXPECT_EQ(x_.Rows(0, 1).ToVector(), row_.ToVector());
  Tensor turned = Empty({kWidth, rows_});
  copy(GetParam(), {.element = 2,
                    .extents = {kWidth, rows_},
                    .from_strides = {1, kWidth},
                    .to_strides = {rows_, 1},
                    .from = x_.raw(),
                    .to = turned.mutable_raw()});
  const Tensor last = turned.Rows(kWidth - 1, kWidth).WithShape({rows_});
  for (const int64_t i : {int64_t{0}, rows_ - 1})
    EXPECT_EQ(last.Rows(i, i + 1).Item(), row_.ToVector().back());
}

TEST_P(LargeTensorTest, Elementwise) {
  Tensor y = Empty(x_.shape());
  unary(GetParam(), {UnaryOp::kExp, DType::kBf16, x_.size(), x_.raw(), y.mutable_raw()});
  ExpectSameRows(y);
  BinaryArgs add{.op = BinaryOp::kAdd,
                 .dtype = DType::kBf16,
                 .rank = 2,
                 .shape = {rows_, kWidth},
                 .a_strides = {kWidth, 1},
                 .b_strides = {0, 1},
                 .a = x_.raw(),
                 .b = row_.raw(),
                 .out = y.mutable_raw()};
  binary(GetParam(), add);
  ExpectSameRows(y);
}

TEST_P(LargeTensorTest, RowsOfSoftmaxAndNorm) {
  Tensor y = Empty(x_.shape());
  softmax(GetParam(), {false, DType::kBf16, rows_, kWidth, x_.raw(), y.mutable_raw()});
  ExpectSameRows(y);
  norm(GetParam(), {true, 1.0 / kWidth, 1e-5, DType::kBf16, rows_, kWidth, x_.raw(), row_.raw(),
                    nullptr, y.mutable_raw()});
  ExpectSameRows(y);
}

// Of ones: sums of so many are exact in bf16 only as powers of two, and means are 1.
TEST_P(LargeTensorTest, Reduce) {
  Tensor ones = Empty(x_.shape());
  unary(GetParam(),
        {UnaryOp::kPowConstant, DType::kBf16, x_.size(), x_.raw(), ones.mutable_raw(), 0.0});
  for (const auto& [outer, n, inner] :
       {std::array{int64_t{1}, rows_, kWidth}, std::array{rows_, kWidth, int64_t{1}},
        std::array{int64_t{1}, rows_ * kWidth, int64_t{1}}}) {
    Tensor means = Empty({outer, inner});
    reduce(GetParam(), {ReduceOp::kSum, DType::kBf16, outer, n, inner, ones.raw(),
                        means.mutable_raw(), nullptr, 1.0 / static_cast<double>(n)});
    EXPECT_EQ(means.Rows(outer - 1, outer).ToVector(), std::vector<double>(inner, 1.0));
  }
}

TEST_P(LargeTensorTest, Gather) {
  Tensor y = Empty(x_.shape());
  const Tensor id =
      CopyTo(Tensor::Full({1}, static_cast<double>(rows_ - 1), DType::kI64), GetParam());
  Tensor ids = Tensor::Empty({rows_}, DType::kI64, GetParam());
  copy(GetParam(), {.element = 8,
                    .extents = {rows_},
                    .from_strides = {0},
                    .to_strides = {1},
                    .from = id.raw(),
                    .to = ids.mutable_raw()});
  gather(GetParam(),
         {rows_, kWidth, rows_, DType::kBf16, DType::kI64, ids.raw(), x_.raw(), y.mutable_raw()});
  ExpectSameRows(y);
}

TEST_P(LargeTensorTest, AlongSequencesOfOne) {
  Tensor y = Empty(x_.shape());
  rope(GetParam(), {.batch = rows_,
                    .time = 1,
                    .heads = 1,
                    .dim = kWidth,
                    .offset = 3,
                    .dtype = DType::kBf16,
                    .x = x_.raw(),
                    .y = y.mutable_raw()});
  ExpectSameRows(y);
  scan(GetParam(),
       {ScanOp::kSum, DType::kBf16, false, rows_, kWidth, 1, x_.raw(), y.mutable_raw()});
  ExpectSameRows(y);
  causal_conv1d(GetParam(), {.batch = rows_,
                             .time = 1,
                             .channels = kWidth,
                             .width = 1,
                             .dtype = DType::kBf16,
                             .x = x_.raw(),
                             .weight = row_.raw(),
                             .y = y.mutable_raw()});
  ExpectSameRows(y);
}

INSTANTIATE_TEST_SUITE_P(Devices, LargeTensorTest,
                         testing::Values(Device::kCuda, Device::kSimulatedCuda),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace palimpsest
