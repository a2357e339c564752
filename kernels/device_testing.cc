#include "kernels/device_testing.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "core/allocator.h"
#include "core/random.h"

namespace palimpsest {
namespace {

double Tolerance(DType dtype) {
  return dtype == DType::kF64 ? 1e-12 : dtype == DType::kF32 ? 1e-5 : 0x1p-7;
}

std::string Bytes(const Tensor& x) {
  const Tensor here = CopyTo(x, Device::kCpu);
  return std::string(static_cast<const char*>(here.raw()), here.bytes());
}

void ExpectNear(const Tensor& got, const Tensor& want, double tolerance, const std::string& what) {
  ASSERT_EQ(got.shape(), want.shape()) << what;
  const std::vector<double> x = got.ToVector(), y = want.ToVector();
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(y[i]) ? std::isnan(x[i]) : x[i] == y[i]) continue;
    ASSERT_NEAR(x[i], y[i], tolerance * (1.0 + std::abs(y[i])))
        << what << ": element " << i << " of " << got;
  }
}

}  // namespace

void DeviceTest::SetUp() {
  if (!Allocator::Has(GetParam())) GTEST_SKIP() << "there is no device " << GetParam();
}

void ExpectAsInF64(const std::string& what, Device device, const Tensors& in,
                   const KernelCall& call, const DeviceCheck& check) {
  for (const DType dtype : check.dtypes) {
    Tensors exact, there;
    for (size_t i = 0; i < in.size(); ++i) {
      const bool wide = std::count(check.wide.begin(), check.wide.end(), i) > 0;
      const DType own = wide && dtype == DType::kBf16 ? DType::kF32 : dtype;
      const Tensor x = in[i] && IsFloat(in[i].dtype()) ? Rounded(in[i], own) : in[i];
      exact.push_back(x && IsFloat(x.dtype()) ? Rounded(x, DType::kF64) : x);
      there.push_back(x ? CopyTo(x, device) : x);
    }
    const std::string where = what + " in " + NameOf(dtype);
    const Tensors want = call(exact), got = call(there), again = call(there);
    ASSERT_EQ(got.size(), want.size()) << where;
    for (size_t i = 0; i < got.size(); ++i) {
      const std::string result = where + ", result " + std::to_string(i);
      ExpectNear(got[i], want[i], check.tolerance * Tolerance(got[i].dtype()), result);
      if (testing::Test::HasFatalFailure()) return;
      EXPECT_TRUE(Bytes(got[i]) == Bytes(again[i])) << result << " has other bits the second time";
    }
  }
}

Tensor Rounded(const Tensor& x, DType dtype) {
  return Tensor::FromVector(x.shape(), x.ToVector(), dtype);
}

Tensor Normals(Shape shape, uint64_t seed, double stddev) {
  return RandomNormal(std::move(shape), RandomStream(seed, "device"), DType::kF64, stddev);
}

Tensor Integers(Shape shape, int64_t n, uint64_t seed, DType dtype) {
  const RandomStream stream(seed, "device");
  std::vector<double> values(NumElements(shape));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<double>(stream.Below(i, static_cast<uint64_t>(n)));
  return Tensor::FromVector(std::move(shape), values, dtype);
}

Tensor EmptyAs(const Tensor& x, Shape shape) {
  return Tensor::Empty(std::move(shape), x.dtype(), x.device());
}
Tensor EmptyAs(const Tensor& x) { return EmptyAs(x, x.shape()); }

Tensor Misaligned(const Tensor& x, Shape shape) {
  return x.Rows(1, x.dim(0)).WithShape(std::move(shape));
}

}  // namespace palimpsest
