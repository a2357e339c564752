#include "kernels/cuda/dispatch.h"
#include "kernels/device/online_sum.cuh"
#include "kernels/softmax.h"

namespace palimpsest {
namespace {

using device::kThreads;
using device::Number;

template <typename Row, int kPack, typename T>
__global__ void SoftmaxKernel(bool log, int64_t rows, int64_t n, const T* x, T* y) {
  using N = Number<T>;
  for (int64_t row = Row::First(); row < rows; row += Row::Stride()) {
    const T* in = x + row * n;
    const device::OnlineSum<N> total = device::SumExpRow<Row, kPack>(n, in);
    const N max = total.max;
    if (log) {
      // The maximum first: together with it the logarithm might lose its digits.
      const N log_sum = ::log(total.Sum());
      device::MapRow<Row, kPack>(
          n, y + row * n, [=](int64_t, N v) { return v - max - log_sum; }, in);
    } else {
      const N scale = N(1) / total.Sum();
      device::MapRow<Row, kPack>(
          n, y + row * n, [=](int64_t, N v) { return exp(v - max) * scale; }, in);
    }
  }
}

void SoftmaxCuda(const SoftmaxArgs& args) {
  DispatchFloat(args.dtype, [&]<typename T>() {
    const auto* x = In<T>(args.x);
    auto* y = Out<T>(args.y);
    DispatchRow<DeviceType<T>>(args.rows, args.n, {x, y},
                               [&]<typename Row, int kPack>(unsigned blocks) {
                                 Launch(SoftmaxKernel<Row, kPack, DeviceType<T>>, blocks, kThreads,
                                        device::kReduceBytes, args.log, args.rows, args.n, x, y);
                               });
  });
}

PALIMPSEST_REGISTER_CUDA_KERNEL(softmax, SoftmaxCuda);

template <typename Row, int kPack, typename T>
__global__ void SoftmaxGradKernel(bool log, int64_t rows, int64_t n, const T* y, const T* dy,
                                  T* dx) {
  using N = Number<T>;
  for (int64_t at = Row::First() * n; at < rows * n; at += Row::Stride() * n) {
    const N sum = device::ReduceRow<Row, kPack>(
        n, N(0), device::Plus(), [=](N y, N dy) { return log ? dy : y * dy; }, y + at, dy + at);
    device::MapRow<Row, kPack>(
        n, dx + at, [=](int64_t, N y, N dy) { return log ? dy - exp(y) * sum : y * (dy - sum); },
        y + at, dy + at);
  }
}

void SoftmaxGradCuda(const SoftmaxGradArgs& args) {
  DispatchFloat(args.dtype, [&]<typename T>() {
    const auto *y = In<T>(args.y), *dy = In<T>(args.dy);
    auto* dx = Out<T>(args.dx);
    DispatchRow<DeviceType<T>>(
        args.rows, args.n, {y, dy, dx}, [&]<typename Row, int kPack>(unsigned blocks) {
          Launch(SoftmaxGradKernel<Row, kPack, DeviceType<T>>, blocks, kThreads,
                 device::kReduceBytes, args.log, args.rows, args.n, y, dy, dx);
        });
  });
}

PALIMPSEST_REGISTER_CUDA_KERNEL(softmax_grad, SoftmaxGradCuda);

}  // namespace
}  // namespace palimpsest
