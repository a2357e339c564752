#include "tests/op_suite.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/allocator.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/tape.h"

namespace palimpsest {

Inputs operator+(Inputs a, const Inputs& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Inputs Drawn(const std::vector<Shape>& shapes, std::function<double(double u)> draw, bool integer) {
  Inputs inputs;
  for (const Shape& shape : shapes) inputs.push_back({shape, draw, integer});
  return inputs;
}

Inputs Reals(const std::vector<Shape>& shapes, double low, double high) {
  return Drawn(shapes, [=](double u) { return low + (high - low) * u; });
}

Inputs Ints(const std::vector<Shape>& shapes, int low, int high) {
  return Drawn(
      shapes, [=](double u) { return low + std::floor((high - low) * u); }, true);
}

void ExpectShapeError(const std::string& op, const std::vector<Shape>& shapes,
                      absl::FunctionRef<void()> f) {
  SetNumThreads(1);  // A child has no other threads than the one that forked.
  std::vector<std::string> words = {absl::StrCat("[", op)};
  for (const Shape& shape : shapes) words.push_back(ToString(shape));
  for (const std::string& word : words) {
    const std::string pattern =
        absl::StrReplaceAll(word, {{"[", "\\["}, {"]", "\\]"}, {"(", "\\("}, {")", "\\)"}});
    EXPECT_DEATH(f(), pattern);
  }
}

namespace {

Tensors Make(const Inputs& inputs, DType dtype) {
  Tensors x;
  const RandomStream stream(7, "test input");
  for (size_t i = 0; i < inputs.size(); ++i) {
    const RandomStream element = stream.Fork(i);
    std::vector<double> values(NumElements(inputs[i].shape));
    for (size_t j = 0; j < values.size(); ++j) values[j] = inputs[i].draw(element.Uniform(j));
    x.push_back(
        Tensor::FromVector(inputs[i].shape, values, inputs[i].integer ? DType::kI32 : dtype));
  }
  return x;
}

std::string ShapesOf(const Inputs& inputs) {
  std::string shapes = "inputs";
  for (const Input& input : inputs) absl::StrAppend(&shapes, " ", ToString(input.shape));
  return shapes;
}

// In f64, the values unchanged.
Tensors Widen(const Tensors& xs) {
  Tensors wide;
  for (const Tensor& x : xs) {
    wide.push_back(
        x && IsFloat(x.dtype()) ? Tensor::FromVector(x.shape(), x.ToVector(), DType::kF64) : x);
  }
  return wide;
}

// Outputs, then the gradients of the float inputs for `dys`.
Tensors RunAll(const Function& f, const Tensors& x, const Tensors& dys) {
  Tensors all = f(x);
  for (Tensor& g : Gradients(f, x, dys)) {
    if (g) all.push_back(std::move(g));
  }
  return all;
}

void ExpectClose(const Tensors& got, const Tensors& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_LE(Distance(got[i], want[i]), tolerance) << "output or gradient " << i << ", " << got[i];
  }
}

void ExpectSameBits(const Tensors& got, const Tensors& want, const std::string& when) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_TRUE(SameBits(got[i], want[i]))
        << "output or gradient " << i << ", " << got[i] << ", " << when;
  }
}

// RMS ratios. A bf16 gradient of a composition rounds several times.
double ToleranceOf(DType dtype) {
  switch (dtype) {
    case DType::kF64: return 1e-12;
    case DType::kBf16: return 6e-3;
    default: return 2e-6;
  }
}

}  // namespace

TEST_P(OpSuite, Gradient) {
  for (const Inputs& inputs : GetParam().cases) {
    SCOPED_TRACE(ShapesOf(inputs));
    CheckGradient(GetParam().f, Make(inputs, DType::kF64), 1e-6 * GetParam().tolerance);
  }
}

TEST_P(OpSuite, GradientOfGradient) {
  for (const Inputs& inputs : GetParam().cases) {
    SCOPED_TRACE(ShapesOf(inputs));
    CheckSecondGradient(GetParam().f, Make(inputs, DType::kF64), 1e-6 * GetParam().tolerance);
  }
}

TEST_P(OpSuite, PrecisionAgainstF64) {
  const OpRow& row = GetParam();
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    if (dtype == DType::kBf16 && !row.bf16) continue;
    for (const Inputs& inputs : row.cases) {
      SCOPED_TRACE(absl::StrCat(ShapesOf(inputs), " ", NameOf(dtype)));
      const Tensors x = Make(inputs, dtype), dys = RandomLike(row.f(x), 3);
      ExpectClose(
          RunAll(row.f, x, dys), RunAll(row.f, Widen(x), Widen(dys)),
          ToleranceOf(dtype) * row.tolerance * (dtype == DType::kBf16 ? row.bf16_tolerance : 1.0));
    }
  }
}

TEST_P(OpSuite, FusedEqualsComposed) {
  for (const DType dtype : {DType::kF64, DType::kF32}) {
    for (const Inputs& inputs : GetParam().cases) {
      SCOPED_TRACE(absl::StrCat(ShapesOf(inputs), " ", NameOf(dtype)));
      const Tensors x = Make(inputs, dtype), dys = RandomLike(GetParam().f(x), 4);
      const Tensors fused = RunAll(GetParam().f, x, dys);
      const ComposedScope composed;
      ExpectClose(fused, RunAll(GetParam().f, x, dys), ToleranceOf(dtype) * GetParam().tolerance);
    }
  }
}

// Against the CPU in f64, as near as the tolerance or, where terms cancel, twice as far as the CPU
// in this dtype; and twice to the same bits.
void RunOnDevice(const OpRow& row, Device device, int64_t most_elements) {
  const auto there = [device](Tensors xs) {
    for (Tensor& x : xs) x = x ? CopyTo(x, device) : x;
    return xs;
  };
  for (const DType dtype : {DType::kF64, DType::kF32, DType::kBf16}) {
    if (dtype == DType::kBf16 && !row.bf16) continue;
    for (const Inputs& inputs : row.cases) {
      SCOPED_TRACE(absl::StrCat(ShapesOf(inputs), " ", NameOf(dtype)));
      const Tensors x = Make(inputs, dtype);
      int64_t elements = 0;
      for (const Tensor& input : x) elements += input.size();
      if (elements > most_elements) continue;
      const Tensors dys = RandomLike(row.f(x), 3);
      const auto run = [&] { return RunAll(row.f, there(x), there(dys)); };
      Tensors got = run(), again = run();
      for (size_t i = 0; i < got.size(); ++i) {
        EXPECT_EQ(got[i].device(), device);
        got[i] = CopyTo(got[i], Device::kCpu), again[i] = CopyTo(again[i], Device::kCpu);
      }
      ExpectSameBits(again, got, "again");
      const Tensors want = RunAll(row.f, Widen(x), Widen(dys)), cpu = RunAll(row.f, x, dys);
      const double tolerance =
          ToleranceOf(dtype) * row.tolerance * (dtype == DType::kBf16 ? row.bf16_tolerance : 1.0);
      ASSERT_EQ(got.size(), want.size());
      for (size_t i = 0; i < got.size(); ++i) {
        EXPECT_LE(Distance(got[i], want[i]), std::max(tolerance, 2.0 * Distance(cpu[i], want[i])))
            << "output or gradient " << i << ", " << got[i];
      }
    }
  }
}

TEST_P(OpSuite, OnCuda) {
  if (!Allocator::Has(Device::kCuda)) GTEST_SKIP() << "there is no device cuda";
  RunOnDevice(GetParam(), Device::kCuda, INT64_MAX);
}

// A simulated thread costs much more than its arithmetic: small inputs alone.
TEST_P(OpSuite, OnSimulatedCuda) {
  constexpr int64_t kMostElements = 7000;
  RunOnDevice(GetParam(), Device::kSimulatedCuda, kMostElements);
}

// Neither what was in memory before, nor the number of threads, nor the time of day shows in the
// result.
TEST_P(OpSuite, SameBitsAlways) {
  for (const DType dtype : {DType::kF64, DType::kF32}) {
    for (const Inputs& inputs : GetParam().cases) {
      SCOPED_TRACE(absl::StrCat(ShapesOf(inputs), " ", NameOf(dtype)));
      const Tensors x = Make(inputs, dtype), dys = RandomLike(GetParam().f(x), 5);
      SetNumThreads(1);
      const Tensors want = RunAll(GetParam().f, x, dys);
      Allocator::Of(Device::kCpu).SetPoison(true);
      for (const int threads : {1, 2, 3}) {
        SetNumThreads(threads);
        ExpectSameBits(RunAll(GetParam().f, x, dys), want,
                       absl::StrCat("poisoned, threads ", threads));
      }
      Allocator::Of(Device::kCpu).SetPoison(false);
    }
  }
}

TEST_P(OpSuite, BadShapes) {
  for (const Inputs& inputs : GetParam().bad) {
    SCOPED_TRACE(ShapesOf(inputs));
    std::vector<Shape> shapes;
    for (const Input& input : inputs) shapes.push_back(input.shape);
    const Tensors x = Make(inputs, DType::kF32);
    ExpectShapeError(GetParam().op.empty() ? GetParam().name : GetParam().op, shapes,
                     [&] { GetParam().f(x); });
  }
}

}  // namespace palimpsest
