// Kernels along sequences and over tables, on each device, against the CPU's in f64.
#include <array>
#include <cmath>
#include <limits>

#include "core/random.h"
#include "kernels/band_mask.h"
#include "kernels/cross_entropy.h"
#include "kernels/device_testing.h"
#include "kernels/dropout.h"
#include "kernels/index.h"
#include "kernels/rope.h"
#include "kernels/scan.h"

namespace palimpsest {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

class DenseSequenceTest : public DeviceTest {};

constexpr int64_t kIgnored = -100;

// Every third label is ignored, or all are.
Tensor Labels(int64_t rows, int64_t classes, bool all_ignored) {
  std::vector<double> labels = Integers({rows}, classes, 3).ToVector();
  for (size_t i = 0; i < labels.size(); ++i)
    if (all_ignored || i % 3 == 1) labels[i] = kIgnored;
  return Tensor::FromVector({rows}, labels, DType::kI64);
}

Tensors CrossEntropy(const Tensor& logits, const Tensor& labels, const Tensor& dloss) {
  const int64_t rows = logits.dim(0), classes = logits.dim(1);
  const DType wide = logits.dtype() == DType::kF64 ? DType::kF64 : DType::kF32;
  Tensor log_sum = Tensor::Empty({rows}, wide, logits.device());
  Tensor loss = Tensor::Empty({}, wide, logits.device());
  Tensor dlogits = EmptyAs(logits);
  const auto* ids = labels.data<int64_t>();
  cross_entropy(logits.device(), {logits.dtype(), rows, classes, logits.raw(), ids, kIgnored,
                                  log_sum.mutable_raw(), loss.mutable_raw()});
  cross_entropy_grad(logits.device(), {logits.dtype(), rows, classes, logits.raw(), ids, kIgnored,
                                       log_sum.raw(), dloss.raw(), dlogits.mutable_raw()});
  return {log_sum, loss, dlogits};
}

TEST_P(DenseSequenceTest, CrossEntropy) {
  for (const Shape& s :
       {Shape{0, 5}, Shape{1, 1}, Shape{21, 65}, Shape{9, 256}, Shape{4, 1099}, Shape{3, 2048}}) {
    for (const bool all_ignored : {false, true}) {
      ExpectAsInF64(
          "cross_entropy " + ToString(s), GetParam(),
          {Normals(s, 1, 4.0), Labels(s[0], s[1], all_ignored), Tensor::Full({}, 0.7, DType::kF64)},
          [](const Tensors& in) { return CrossEntropy(in[0], in[1], in[2]); },
          {.tolerance = 2.0, .wide = {2}});
    }
  }
}

TEST_P(DenseSequenceTest, CrossEntropyOfWhatIsRuledOut) {
  std::vector<double> logits(3 * 40, -kInfinity);
  logits[7] = 2.0, logits[8] = 1.0;  // The next row has no class at all, the last is ignored.
  const Tensor x = CopyTo(Tensor::FromVector({3, 40}, logits, DType::kF32), GetParam());
  const Tensor dloss = CopyTo(Tensor::Full({}, 1.0, DType::kF32), GetParam());
  const auto labels = [&](double second) {
    return CopyTo(Tensor::FromVector({3}, {8.0, second, kIgnored}, DType::kI64), GetParam());
  };
  const Tensors one = CrossEntropy(x, labels(kIgnored), dloss);
  EXPECT_NEAR(one[1].Item(), std::log1p(std::exp(1.0)), 1e-6);
  EXPECT_NEAR(one[2].ToVector()[7], 1.0 / (1.0 + std::exp(-1.0)), 1e-6);
  EXPECT_EQ(one[2].ToVector()[9], 0.0);
  EXPECT_TRUE(std::isnan(CrossEntropy(x, labels(3.0), dloss)[1].Item()));
}

// The CPU stops. A kernel cannot, so what it makes is NaN.
TEST_P(DenseSequenceTest, ALabelThatIsNoClassIsNotPassedOver) {
  const Tensor x = CopyTo(Rounded(Normals({2, 10}, 1), DType::kF32), GetParam());
  const Tensor labels = CopyTo(Tensor::FromVector({2}, {3.0, 10.0}, DType::kI64), GetParam());
  const Tensor dloss = CopyTo(Tensor::Full({}, 1.0, DType::kF32), GetParam());
  if (GetParam() == Device::kCpu) {
    EXPECT_DEATH(CrossEntropy(x, labels, dloss), "label 10 of row 1");
    return;
  }
  const Tensors got = CrossEntropy(x, labels, dloss);
  EXPECT_TRUE(std::isnan(got[1].Item()));
  EXPECT_FALSE(std::isnan(got[2].ToVector()[0]));
  EXPECT_TRUE(std::isnan(got[2].ToVector()[10]));
}

Tensors RunIndex(const Kernel<void(const IndexArgs&)>& kernel, const Tensor& from,
                 const Tensor& ids, int64_t rows, Shape shape) {
  Tensor to = EmptyAs(from, std::move(shape));
  const IndexArgs args{rows,        from.dim(1), ids.size(), from.dtype(),
                       ids.dtype(), ids.raw(),   from.raw(), to.mutable_raw()};
  kernel(to.device(), args);
  return {to};
}

TEST_P(DenseSequenceTest, GatherAndOneHot) {
  for (const DType id : {DType::kI32, DType::kI64}) {
    for (const int64_t width : {0, 1, 3, 64}) {
      for (const int64_t count : {0, 1, 300}) {
        const Tensors in{Normals({37, width}, 1), Integers({count}, 37, 2, id)};
        ExpectAsInF64("gather", GetParam(), in, [&](const Tensors& in) {
          return RunIndex(gather, in[0], in[1], 37, {count, width});
        });
        ExpectAsInF64("one_hot", GetParam(), in, [&](const Tensors& in) {
          return RunIndex(one_hot, in[0], in[1], 37, {count, 37});
        });
      }
    }
  }
}

TEST_P(DenseSequenceTest, AnIdThatIsNoRowIsNotPassedOver) {
  if (GetParam() == Device::kCpu) return;  // There, ids are checked before.
  const Tensor table = CopyTo(Rounded(Normals({4, 3}, 1), DType::kF32), GetParam());
  const Tensor ids = CopyTo(Tensor::FromVector({3}, {-1.0, 2.0, 4.0}, DType::kI64), GetParam());
  const std::vector<double> rows = RunIndex(gather, table, ids, 4, {3, 3})[0].ToVector();
  for (size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(std::isnan(rows[i]), i / 3 != 1);
  // The adjoint leaves it out.
  const Tensor dy = CopyTo(Rounded(Normals({3, 3}, 2), DType::kF32), GetParam());
  const std::vector<double> sums = RunIndex(scatter_add, dy, ids, 4, {4, 3})[0].ToVector();
  for (size_t i = 0; i < sums.size(); ++i)
    EXPECT_EQ(sums[i], i / 3 == 2 ? dy.ToVector()[i - 3] : 0.0);
}

// Ids of one digit and of several, rows that no id names, and one that most do.
TEST_P(DenseSequenceTest, ScatterAdd) {
  for (const int64_t rows : {1, 7, 256, 70000}) {
    for (const int64_t count : {0, 1, 65, 5000}) {
      for (const int64_t width : {1, 8}) {
        if (rows == 70000 && width == 8) continue;
        std::vector<double> ids = Integers({count}, rows, 2).ToVector();
        for (size_t i = 0; i < ids.size(); ++i)
          if (i % 5 < 2) ids[i] = static_cast<double>(rows / 2);
        ExpectAsInF64("scatter_add to " + std::to_string(rows) + " of " + std::to_string(count),
                      GetParam(),
                      {Normals({count, width}, 1), Tensor::FromVector({count}, ids, DType::kI32)},
                      [&](const Tensors& in) {
                        return RunIndex(scatter_add, in[0], in[1], rows, {rows, width});
                      },
                      {.tolerance = 40.0});
      }
    }
  }
}

// More tiles to sort than there are blocks, and more counts than one block sums at a time.
TEST_P(DenseSequenceTest, ScatterAddOfManyIds) {
  ExpectAsInF64("scatter_add", GetParam(), {Normals({13000, 1}, 1), Integers({13000}, 300, 2)},
                [](const Tensors& in) {
                  return RunIndex(scatter_add, in[0], in[1], 300, {300, 1});
                },
                {.dtypes = {DType::kF32}, .tolerance = 40.0});
}

TEST_P(DenseSequenceTest, FindsTheFirstBadId) {
  for (const DType dtype : {DType::kI32, DType::kI64}) {
    std::vector<double> values = Integers({3000}, 10, 2).ToVector();
    const auto find = [&] {
      const Tensor ids = CopyTo(Tensor::FromVector({3000}, values, dtype), GetParam());
      return find_bad_id(GetParam(),
                         {.rows = 10, .count = 3000, .id_dtype = dtype, .ids = ids.raw()});
    };
    EXPECT_EQ(find(), -1);
    values[2999] = -1.0;
    EXPECT_EQ(find(), 2999);
    values[1700] = 10.0, values[2100] = 11.0;
    EXPECT_EQ(find(), 1700);
  }
}

const Shape kScans[] = {{0, 3, 1},    {2, 0, 3},   {3, 1, 2},  {2, 100, 3},
                        {2, 1000, 1}, {1, 65, 70}, {5, 17, 16}};

TEST_P(DenseSequenceTest, Scan) {
  for (const Shape& s : kScans) {
    for (const bool reverse : {false, true}) {
      for (const ScanOp op : {ScanOp::kSum, ScanOp::kLogSumExp}) {
        ExpectAsInF64("scan " + ToString(s), GetParam(), {Normals(s, 1, 3.0)},
                      [&](const Tensors& in) -> Tensors {
                        Tensor y = EmptyAs(in[0]);
                        scan(y.device(), {op, y.dtype(), reverse, s[0], s[1], s[2], in[0].raw(),
                                          y.mutable_raw()});
                        return {y};
                      });
      }
    }
  }
}

// Runs of -infinity first, as of what is masked; +infinity and NaN stay.
TEST_P(DenseSequenceTest, ScanOfInfinities) {
  std::vector<double> values = Normals({200}, 1).ToVector();
  std::fill(values.begin(), values.begin() + 70, -kInfinity);
  values[80] = -kInfinity, values[150] = kInfinity, values[151] = kInfinity;
  values[170] = std::nan("");
  for (const bool reverse : {false, true}) {
    ExpectAsInF64("scan", GetParam(), {Tensor::FromVector({200}, values, DType::kF64)},
                  [&](const Tensors& in) -> Tensors {
                    Tensor y = EmptyAs(in[0]);
                    scan(y.device(), {ScanOp::kLogSumExp, y.dtype(), reverse, 1, 200, 1,
                                      in[0].raw(), y.mutable_raw()});
                    return {y};
                  });
  }
}

TEST_P(DenseSequenceTest, LogScanGrad) {
  for (const Shape& s : kScans) {
    for (const bool reverse : {false, true}) {
      for (const bool masked : {false, true}) {
        std::vector<double> values = Normals(s, 1, 3.0).ToVector();
        for (size_t i = 0; masked && i < values.size() / 3; ++i) values[i] = -kInfinity;
        const Tensor x = Tensor::FromVector(s, values, DType::kF64);
        Tensor y = EmptyAs(x);
        scan(Device::kCpu, {ScanOp::kLogSumExp, DType::kF64, reverse, s[0], s[1], s[2], x.raw(),
                            y.mutable_raw()});
        // y's own digits: rounded to bf16, exp(x - y) has two.
        ExpectAsInF64("log_scan_grad " + ToString(s), GetParam(), {x, y, Normals(s, 2)},
                      [&](const Tensors& in) -> Tensors {
                        Tensor dx = EmptyAs(in[0]);
                        log_scan_grad(dx.device(),
                                      {dx.dtype(), reverse, s[0], s[1], s[2], in[0].raw(),
                                       in[1].raw(), in[2].raw(), dx.mutable_raw()});
                        return {dx};
                      });
      }
    }
  }
}

TEST_P(DenseSequenceTest, Rope) {
  for (const auto& [time, heads, dim] :
       {std::array{0, 2, 4}, std::array{1, 1, 2}, std::array{70, 3, 6}, std::array{9, 2, 64}}) {
    for (const int64_t offset : {int64_t{0}, int64_t{100'003}, int64_t{-5}}) {
      for (const bool back : {false, true}) {
        ExpectAsInF64("rope", GetParam(), {Normals({2, time, heads, dim}, 1)},
                      [&, time = time, heads = heads, dim = dim](const Tensors& in) -> Tensors {
                        Tensor y = EmptyAs(in[0]);
                        rope(y.device(), {2, time, heads, dim, offset, 1e4, back, y.dtype(),
                                          in[0].raw(), y.mutable_raw()});
                        return {y};
                      },
                      {.tolerance = 20.0});
      }
    }
  }
}

// The same mask as the CPU's, to the bit, in any dtype and alignment.
TEST_P(DenseSequenceTest, Dropout) {
  const RandomStream stream(5, "mask", uint64_t{1} << 40);
  for (const int64_t n : {0, 1, 3, 4, 1000, 1027}) {
    for (const bool shift : {false, true}) {
      ExpectAsInF64("dropout", GetParam(), {Normals({n + 1}, 1)},
                    [&](const Tensors& in) -> Tensors {
                      const Tensor x = shift ? Misaligned(in[0], {n}) : in[0].Rows(0, n);
                      Tensor y = EmptyAs(x);
                      dropout(y.device(), {n, stream.Key(), stream.step, 1u << 30, 1.0 / 0.75,
                                           y.dtype(), x.raw(), y.mutable_raw()});
                      return {y};
                    });
    }
  }
}

TEST_P(DenseSequenceTest, BandMask) {
  const BandMaskArgs all[] = {{5, 7, -2, 1},      {63, 65, 0, 1000}, {100, 100, -100, -1},
                              {3, 200, 150, 160}, {1, 1, 1, 0},      {0, 4, 0, 0},
                              {4, 0, 0, 0}};
  for (BandMaskArgs args : all) {
    Tensor mask = Tensor::Empty({args.rows, args.columns}, DType::kI32, GetParam());
    args.to = mask.mutable_data<int32_t>();
    band_mask(GetParam(), args);
    const std::vector<double> got = mask.ToVector();
    for (int64_t at = 0; at < mask.size(); ++at) {
      const int64_t beyond = at % args.columns - at / args.columns;
      EXPECT_EQ(got[at], args.first <= beyond && beyond <= args.last) << mask << " at " << at;
    }
  }
}

PALIMPSEST_ON_EACH_DEVICE(DenseSequenceTest);

}  // namespace
}  // namespace palimpsest
