// How far the f32 functions are from the real ones, in units in the last place, and what they make
// of infinities and NaN.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "gtest/gtest.h"
#include "kernels/elementwise.h"

namespace palimpsest {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

struct Function {
  std::string name;
  UnaryOp op;
  std::function<double(double)> exact;
  double low, high;  // Where it is swept.
  double ulps;
};

double Sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
double Cdf(double x) { return 0.5 * std::erfc(-x * std::sqrt(0.5)); }

std::vector<Function> Functions() {
  return {{"exp", UnaryOp::kExp, [](double x) { return std::exp(x); }, -87, 88.7, 1.5},
          {"log", UnaryOp::kLog, [](double x) { return std::log(x); }, 1e-38, 1e38, 1.5},
          {"sqrt", UnaryOp::kSqrt, [](double x) { return std::sqrt(x); }, 0, 1e38, 0.51},
          {"rsqrt", UnaryOp::kRsqrt, [](double x) { return 1.0 / std::sqrt(x); }, 1e-38, 1e38, 1.5},
          {"tanh", UnaryOp::kTanh, [](double x) { return std::tanh(x); }, -10, 10, 2},
          {"sigmoid", UnaryOp::kSigmoid, Sigmoid, -80, 80, 3},
          {"silu", UnaryOp::kSilu, [](double x) { return x * Sigmoid(x); }, -80, 80, 3},
          {"softplus", UnaryOp::kSoftplus, [](double x) { return std::log1p(std::exp(x)); }, -80,
           80, 3},
          // Rounding x^2 / 2 is what the tail costs.
          {"gelu", UnaryOp::kGelu, [](double x) { return x * Cdf(x); }, -3, 3, 12},
          {"gelu's tail", UnaryOp::kGelu, [](double x) { return x * Cdf(x); }, -12, -3, 150}};
}

// Both spread evenly and over the orders of magnitude.
std::vector<double> Sweep(double low, double high) {
  constexpr int kPoints = 100000;
  std::vector<double> points;
  for (int i = 0; i <= kPoints; ++i) {
    const double even = low + (high - low) * i / kPoints;
    points.push_back(even);
    for (double end : {low, high}) {
      const double x = std::copysign(std::exp2(-40.0 * i / kPoints), end) * std::abs(end);
      if (x >= low && x <= high) points.push_back(x);
    }
  }
  return points;
}

std::vector<double> Apply(UnaryOp op, const Tensor& x) {
  Tensor y = Tensor::Empty(x.shape(), x.dtype());
  unary(Device::kCpu, {op, x.dtype(), x.size(), x.raw(), y.mutable_raw()});
  return y.ToVector();
}

Tensor Vector(const std::vector<double>& values, DType dtype) {
  return Tensor::FromVector({static_cast<int64_t>(values.size())}, values, dtype);
}

double Ulp(double y) {
  const float f = std::max(std::abs(static_cast<float>(y)), std::numeric_limits<float>::min());
  return static_cast<double>(std::nextafter(f, HUGE_VALF)) - static_cast<double>(f);
}

TEST(Accuracy, F32IsWithinItsUlps) {
  for (const Function& f : Functions()) {
    const Tensor x = Vector(Sweep(f.low, f.high), DType::kF32);
    const std::vector<double> in = x.ToVector(), out = Apply(f.op, x);
    double worst = 0.0, at = 0.0;
    for (size_t i = 0; i < in.size(); ++i) {
      const double exact = f.exact(in[i]), ulps = std::abs(out[i] - exact) / Ulp(exact);
      if (!(ulps <= worst)) worst = ulps, at = in[i];
    }
    EXPECT_LE(worst, f.ulps) << f.name << " of " << at;
    RecordProperty(f.name, std::to_string(worst));
  }
}

// At -inf, inf and NaN, for each dtype.
TEST(Accuracy, LimitsAreThoseOfTheFunctions) {
  const double nan = std::nan("");
  const struct {
    UnaryOp op;
    double at_minus_inf, at_inf;
  } rows[] = {
      {UnaryOp::kNeg, kInf, -kInf}, {UnaryOp::kExp, 0, kInf},    {UnaryOp::kLog, nan, kInf},
      {UnaryOp::kSqrt, nan, kInf},  {UnaryOp::kRsqrt, nan, 0},   {UnaryOp::kTanh, -1, 1},
      {UnaryOp::kSigmoid, 0, 1},    {UnaryOp::kGelu, 0, kInf},   {UnaryOp::kSoftplus, 0, kInf},
      {UnaryOp::kRelu, 0, kInf},    {UnaryOp::kAbs, kInf, kInf}, {UnaryOp::kSign, -1, 1}};
  for (DType dtype : {DType::kF64, DType::kF32, DType::kBf16}) {
    for (const auto& row : rows) {
      const std::vector<double> y = Apply(row.op, Vector({-kInf, kInf, nan}, dtype));
      const double want[] = {row.at_minus_inf, row.at_inf, nan};
      for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(y[i] == want[i] || (std::isnan(y[i]) && std::isnan(want[i])))
            << static_cast<int>(row.op) << " of " << dtype << " gives " << y[i] << " for "
            << want[i];
      }
    }
  }
}

}  // namespace
}  // namespace palimpsest
