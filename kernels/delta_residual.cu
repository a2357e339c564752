#include "kernels/cuda/dispatch.h"
#include "kernels/delta_residual.h"

namespace palimpsest {
namespace {

using device::kThreads;
using device::Number;
using device::Run;

template <typename T>
struct Rows {
  bool erase;
  double eps;
  int64_t rows, channels, width;
  const T *stream, *direction;
  const Number<T>*beta, *v;
};

template <typename Host>
Rows<DeviceType<Host>> RowsOf(const DeltaResidualArgs& a) {
  using N = Number<DeviceType<Host>>;
  return {a.erase,
          a.eps,
          a.rows,
          a.channels,
          a.width,
          In<Host>(a.stream),
          In<Host>(a.direction),
          static_cast<const N*>(a.beta),
          static_cast<const N*>(a.v)};
}

template <typename Row, int kPack, typename T>
__device__ Number<T> Dot(int64_t n, const T* a, const T* b) {
  using N = Number<T>;
  return device::ReduceRow<Row, kPack>(
      n, N(0), device::Plus(), [](N a, N b) { return a * b; }, a, b);
}

// 1 / |direction|, for each of the row's threads.
template <typename Row, int kPack, typename T>
__device__ Number<T> InverseLength(const Rows<T>& rows, const T* direction) {
  const double squares = Dot<Row, kPack>(rows.width, direction, direction);
  return static_cast<Number<T>>(1.0 / sqrt(squares + rows.eps * rows.eps));
}

template <typename Row, int kPack, typename T>
__global__ void DeltaResidualKernel(Rows<T> rows, T* y) {
  using N = Number<T>;
  for (int64_t row = Row::First(); row < rows.rows; row += Row::Stride()) {
    const T* direction = rows.direction + row * rows.width;
    const N r = InverseLength<Row, kPack>(rows, direction);
    for (int64_t j = row * rows.channels; j < (row + 1) * rows.channels; ++j) {
      const T* x = rows.stream + j * rows.width;
      const N found = rows.erase ? r * Dot<Row, kPack>(rows.width, direction, x) : N(0);
      const N scale = rows.beta[row] * (rows.v[j] - found) * r;
      device::MapRow<Row, kPack>(
          rows.width, y + j * rows.width, [=](int64_t, N x, N d) { return x + d * scale; }, x,
          direction);
    }
  }
}

void DeltaResidualCuda(const DeltaResidualArgs& args) {
  DispatchFloat(args.dtype, [&]<typename Host>() {
    using T = DeviceType<Host>;
    DispatchRow<T>(args.rows, args.width, {args.stream, args.direction, args.y},
                   [&]<typename Row, int kPack>(unsigned blocks) {
                     Launch(DeltaResidualKernel<Row, kPack, T>, blocks, kThreads,
                            device::kReduceBytes, RowsOf<Host>(args), Out<Host>(args.y));
                   });
  });
}

PALIMPSEST_REGISTER_CUDA_KERNEL(delta_residual, DeltaResidualCuda);

template <typename T>
struct Gradients {
  const T* dy;
  T *dstream, *ddirection;
  Number<T>*dbeta, *dv;
  Number<T>* of_dy;  // [rows, channels]: what dy is multiplied by in ddirection.
};

// dbeta, dv and of_dy; returns what the direction is multiplied by in ddirection.
template <typename Row, int kPack, typename T>
__device__ Number<T> Channels(const Rows<T>& rows, const Gradients<T>& g, int64_t row,
                              const T* direction, Number<T> r) {
  using N = Number<T>;
  const N beta = rows.beta[row];
  N dbeta(0), projection(0);  // The latter: (k . dk) / beta.
  for (int64_t j = row * rows.channels; j < (row + 1) * rows.channels; ++j) {
    const N a = r * Dot<Row, kPack>(rows.width, direction, g.dy + j * rows.width);
    const N found = rows.erase
                        ? r * Dot<Row, kPack>(rows.width, direction, rows.stream + j * rows.width)
                        : N(0);
    const N error = rows.v[j] - found;
    dbeta += a * error;
    projection += a * (error - found);
    if (Row::Rank() == 0) g.dv[j] = beta * a, g.of_dy[j] = beta * error * r;
  }
  if (Row::Rank() == 0) g.dbeta[row] = dbeta;
  return -beta * projection * r * r;
}

template <typename Row, int kPack, typename T>
__global__ void VjpKernel(Rows<T> rows, Gradients<T> g) {
  using N = Number<T>;
  for (int64_t row = Row::First(); row < rows.rows; row += Row::Stride()) {
    const T* direction = rows.direction + row * rows.width;
    const N r = InverseLength<Row, kPack>(rows, direction);
    const N along = Channels<Row, kPack>(rows, g, row, direction, r);
    Row::Sync();
    device::ForRuns<Row, kPack>(
        rows.width,
        [&](int64_t i, const Run<N, kPack>& direction) {
          Run<N, kPack> sum;
#pragma unroll
          for (int p = 0; p < kPack; ++p) sum.at[p] = direction.at[p] * along;
          for (int64_t j = row * rows.channels; j < (row + 1) * rows.channels; ++j) {
            const N erased = rows.erase ? g.dv[j] * r : N(0), of_dy = g.of_dy[j];
            auto y = device::LoadRun<kPack>(g.dy, j * rows.width + i);
            const auto x = device::LoadRun<kPack>(rows.stream, j * rows.width + i);
#pragma unroll
            for (int p = 0; p < kPack; ++p) {
              sum.at[p] += y.at[p] * of_dy - x.at[p] * erased;
              y.at[p] -= direction.at[p] * erased;
            }
            device::StoreRun(y, g.dstream, j * rows.width + i);
          }
          device::StoreRun(sum, g.ddirection, row * rows.width + i);
        },
        direction);
  }
}

void DeltaResidualVjpCuda(const DeltaResidualVjpArgs& args) {
  const DeltaResidualArgs& f = args.forward;
  DispatchFloat(f.dtype, [&]<typename Host>() {
    using T = DeviceType<Host>;
    using N = Number<T>;
    Scratch<N> of_dy(f.rows * f.channels);
    const Gradients<T> gradients{In<Host>(args.dy),          Out<Host>(args.dstream),
                                 Out<Host>(args.ddirection), static_cast<N*>(args.dbeta),
                                 static_cast<N*>(args.dv),   of_dy.data()};
    DispatchRow<T>(f.rows, f.width, {f.stream, f.direction, args.dy, args.dstream, args.ddirection},
                   [&]<typename Row, int kPack>(unsigned blocks) {
                     Launch(VjpKernel<Row, kPack, T>, blocks, kThreads, device::kReduceBytes,
                            RowsOf<Host>(f), gradients);
                   });
  });
}

PALIMPSEST_REGISTER_CUDA_KERNEL(delta_residual_vjp, DeltaResidualVjpCuda);

}  // namespace
}  // namespace palimpsest
