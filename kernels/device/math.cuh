#ifndef KERNELS_DEVICE_MATH_CUH_
#define KERNELS_DEVICE_MATH_CUH_

// Functions of one float or double, with the meaning they have in kernels/vector_math.h.
namespace palimpsest::device {

template <typename N>
__device__ N Sigmoid(N x) {
  return N(1) / (N(1) + exp(-x));
}

// log(1 + e^x), without overflow.
template <typename N>
__device__ N Softplus(N x) {
  return x != x ? x : fmax(x, N(0)) + log1p(exp(-fabs(x)));
}

// The normal distribution's probability up to x, and its density.
__device__ inline float NormalCdf(float x) { return normcdff(x); }
__device__ inline double NormalCdf(double x) { return normcdf(x); }
template <typename N>
__device__ N NormalDensity(N x) {
  return N(0.39894228040143267794) * exp(N(-0.5) * x * x);
}

// 0 at -infinity.
template <typename N>
__device__ N Gelu(N x) {
  return x < N(-40) ? N(0) : x * NormalCdf(x);
}

template <typename N>
__device__ N SiluSlope(N x) {
  const N s = Sigmoid(x);
  return s * (N(1) + x * (N(1) - s));
}
template <typename N>
__device__ N SiluSecond(N x) {
  const N s = Sigmoid(x);
  return s * (N(1) - s) * (N(2) + x * (N(1) - s - s));
}
template <typename N>
__device__ N GeluSlope(N x) {
  return NormalCdf(x) + x * NormalDensity(x);
}
template <typename N>
__device__ N GeluSecond(N x) {
  return NormalDensity(x) * (N(2) - x * x);
}

// NaN if either is.
template <typename N>
__device__ N Max(N a, N b) {
  return a != a || a > b ? a : b;
}
template <typename N>
__device__ N Min(N a, N b) {
  return a != a || a < b ? a : b;
}

}  // namespace palimpsest::device

#endif  // KERNELS_DEVICE_MATH_CUH_
