#include "conformance/gradients.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/random.h"
#include "core/tape.h"

namespace palimpsest {
namespace {

constexpr double kStep = 1e-5;

double Dot(const Tensors& a, const Tensors& b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!a[i] || !b[i]) continue;
    const std::vector<double> u = a[i].ToVector(), v = b[i].ToVector();
    for (size_t j = 0; j < u.size(); ++j) sum += u[j] * v[j];
  }
  return sum;
}

// a - b, 0 where both are the same infinity or NaN.
Tensors Difference(const Tensors& a, const Tensors& b) {
  Tensors differences;
  for (size_t i = 0; i < a.size(); ++i) {
    std::vector<double> u = a[i].ToVector();
    const std::vector<double> v = b[i].ToVector();
    for (size_t j = 0; j < u.size(); ++j) {
      const bool same = u[j] == v[j] || (std::isnan(u[j]) && std::isnan(v[j]));
      u[j] = same ? 0.0 : u[j] - v[j];
    }
    differences.push_back(Tensor::FromVector(a[i].shape(), u, DType::kF64));
  }
  return differences;
}

// x + step dx.
Tensors Move(const Tensors& x, const Tensors& dx, double step) {
  Tensors moved = x;
  for (size_t i = 0; i < x.size(); ++i) {
    if (!dx[i]) continue;
    std::vector<double> values = x[i].ToVector();
    const std::vector<double> direction = dx[i].ToVector();
    for (size_t j = 0; j < values.size(); ++j) values[j] += step * direction[j];
    moved[i] = CopyTo(Tensor::FromVector(x[i].shape(), values, x[i].dtype()), x[i].device());
  }
  return moved;
}

}  // namespace

Tensors RandomLike(const Tensors& xs, uint64_t seed) {
  Tensors random;
  const RandomStream stream(seed, "test direction");
  for (size_t i = 0; i < xs.size(); ++i) {
    random.push_back(
        IsFloat(xs[i].dtype())
            ? CopyTo(RandomNormal(xs[i].shape(), stream.Fork(i), xs[i].dtype()), xs[i].device())
            : Tensor());
  }
  return random;
}

Tensors Gradients(const Function& f, const Tensors& x, const Tensors& dys) {
  Tensors watched, ys, cotangents;
  for (const Tensor& t : x) {
    if (IsFloat(t.dtype())) watched.push_back(t);
  }
  Tape tape;
  tape.Watch(watched);
  const Tensors outs = f(x);
  for (size_t i = 0; i < outs.size(); ++i) {
    if (dys[i]) ys.push_back(outs[i]), cotangents.push_back(dys[i]);
  }
  const Tensors of_watched = tape.Gradient(ys, watched, cotangents);
  Tensors gradients;
  for (size_t i = 0, j = 0; i < x.size(); ++i) {
    gradients.push_back(IsFloat(x[i].dtype()) ? of_watched[j++] : Tensor());
  }
  return gradients;
}

Function GradientOf(const Function& f, size_t inputs) {
  return [f, inputs](const Tensors& all) {
    const Tensors x(all.begin(), all.begin() + inputs), dys(all.begin() + inputs, all.end());
    Tensors gradients;
    for (Tensor& g : Gradients(f, x, dys)) {
      if (g) gradients.push_back(std::move(g));
    }
    return gradients;
  };
}

Slope SlopeAlong(const Function& f, const Tensors& x, const Tensors& dx, const Tensors& dys) {
  return SlopeAlong(Gradients(f, x, dys), f, x, dx, dys);
}

Slope SlopeAlong(const Tensors& gradients, const Function& f, const Tensors& x, const Tensors& dx,
                 const Tensors& dys) {
  const auto central = [&](double step) {
    return Dot(dys, Difference(f(Move(x, dx, step)), f(Move(x, dx, -step)))) / (2 * step);
  };
  // Of fourth order: the error of second order cancels between the two steps.
  return {Dot(gradients, dx), (4 * central(kStep) - central(2 * kStep)) / 3};
}

Tensors CopyAllTo(Tensors xs, Device device) {
  for (Tensor& x : xs) x = x ? CopyTo(x, device) : x;
  return xs;
}

double Distance(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) return HUGE_VAL;
  const std::vector<double> u = a.ToVector(), v = b.ToVector();
  double difference = 0.0, scale = 0.0;
  for (size_t i = 0; i < u.size(); ++i) {
    if (u[i] == v[i] || (std::isnan(u[i]) && std::isnan(v[i]))) {
      if (std::isfinite(v[i])) scale += v[i] * v[i];
      continue;
    }
    difference += (u[i] - v[i]) * (u[i] - v[i]);
    scale += v[i] * v[i];
  }
  return difference == 0.0 ? 0.0 : std::sqrt(difference / scale);
}

double LargestDistance(const Tensors& a, const Tensors& b) {
  PALIMPSEST_CHECK(a.size() == b.size()) << a.size() << " tensors, " << b.size();
  double largest = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = Distance(a[i], b[i]);
    if (std::isnan(d)) return d;
    largest = std::max(largest, d);
  }
  return largest;
}

bool SameBits(const Tensor& a, const Tensor& b) {
  if (!a || !b) return !a && !b;
  const Tensor u = CopyTo(a, Device::kCpu), v = CopyTo(b, Device::kCpu);
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         (a.bytes() == 0 || std::memcmp(u.raw(), v.raw(), a.bytes()) == 0);
}

}  // namespace palimpsest
