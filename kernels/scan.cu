#include "kernels/cuda/dispatch.h"
#include "kernels/scan.h"

namespace palimpsest {
namespace {

using device::Narrow;
using device::Widen;

constexpr int kMaxThreads = 512, kMaxTile = 32;
constexpr int64_t kLanePlaces = 16;  // At least so many places for a thread.

// Letters: x [O, n, I]; a column is one of O I. A block has `tile` columns side by side, and for
// each of them `lanes` threads, a power of two, of which each has n / lanes places.
struct Columns {
  int64_t columns, n, inner;
  bool reverse;
  int tile, lanes;

  // Where step 0 of a column is, and how far it is to the next.
  __device__ int64_t Begin(int64_t column) const {
    return (column / inner * n + (reverse ? n - 1 : 0)) * inner + column % inner;
  }
  __device__ int64_t Stride() const { return reverse ? -inner : inner; }
};

__device__ double LogAddExp(double a, double b) {
  // Equal infinities have no difference.
  return a == b ? a + 0.693147180559945309417 : fmax(a, b) + log1p(exp(-fabs(a - b)));
}

// A scan is what Combine makes of the items of the steps so far, from Identity on; each in f64.
template <typename T>
struct Running {
  using State = double;
  ScanOp op;
  const T* x;
  T* y;

  __device__ State Identity() const { return op == ScanOp::kSum ? 0.0 : -INFINITY; }
  __device__ State Combine(State a, State b) const {
    return op == ScanOp::kSum ? a + b : LogAddExp(a, b);
  }
  __device__ State Item(int64_t at, int64_t, bool) const { return Widen(x[at]); }
  __device__ void Put(int64_t at, State sum) const { y[at] = Narrow<T>(sum); }
};

// r -> factor r + rest.
struct Affine {
  double factor, rest;
};

// exp(a - b) for a <= b; 1 where both are the same infinity.
__device__ double ExpOfDifference(double a, double b) { return a == b ? 1.0 : exp(a - b); }

// r_s = dy_s + exp(y_s - y_{s+1}) r_{s+1}, from the last step to the first.
template <typename T>
struct LogGradient {
  using State = Affine;
  const T *x, *y, *dy;
  T* dx;

  __device__ State Identity() const { return {1.0, 0.0}; }
  __device__ State Combine(State a, State b) const {
    return {a.factor * b.factor, b.rest + b.factor * a.rest};
  }
  __device__ State Item(int64_t at, int64_t before, bool first) const {
    return {first ? 0.0 : ExpOfDifference(Widen(y[at]), Widen(y[before])), Widen(dy[at])};
  }
  __device__ void Put(int64_t at, State sum) const {
    const double now = Widen(y[at]);
    dx[at] =
        Narrow<T>(now == -INFINITY ? 0.0 : exp(static_cast<double>(Widen(x[at])) - now) * sum.rest);
  }
};

// The state before each thread's places, of what `own` is over them: by lanes, a column's threads
// one below the other.
template <typename F>
__device__ typename F::State Before(const F& f, typename F::State own, const Columns& c) {
  auto* shared = device::SharedMemory<typename F::State>();
  const int thread = static_cast<int>(threadIdx.x), lane = thread / c.tile;
  shared[thread] = own;
  __syncthreads();
  for (int by = 1; by < c.lanes; by *= 2) {
    if (lane >= by) own = f.Combine(shared[thread - by * c.tile], own);
    __syncthreads();
    shared[thread] = own;
    __syncthreads();
  }
  const auto before = lane > 0 ? shared[thread - c.tile] : f.Identity();
  __syncthreads();
  return before;
}

template <typename F>
__global__ void ScanKernel(F f, Columns c) {
  const int across = static_cast<int>(threadIdx.x) % c.tile,
            lane = static_cast<int>(threadIdx.x) / c.tile;
  const int64_t places = (c.n + c.lanes - 1) / c.lanes;
  const int64_t first = lane * places, end = first + places < c.n ? first + places : c.n;
  for (int64_t tile = static_cast<int64_t>(blockIdx.x) * c.tile; tile < c.columns;
       tile += static_cast<int64_t>(gridDim.x) * c.tile) {
    const bool inside = tile + across < c.columns;
    const int64_t begin = inside ? c.Begin(tile + across) : 0, stride = c.Stride();
    const auto item = [&](int64_t step) {
      const int64_t at = begin + step * stride;
      return f.Item(at, at - stride, step == 0);
    };
    auto state = f.Identity();
    for (int64_t step = first; inside && step < end; ++step) state = f.Combine(state, item(step));
    state = Before(f, state, c);
    for (int64_t step = first; inside && step < end; ++step) {
      state = f.Combine(state, item(step));
      f.Put(begin + step * stride, state);
    }
  }
}

int PowerOfTwo(int64_t least, int most) {
  int power = 1;
  while (power < least && power < most) power *= 2;
  return power;
}

template <typename F, typename Args>
void Run(F f, const Args& args, bool reverse) {
  Columns c{args.outer * args.inner, args.n, args.inner, reverse, 1, 1};
  if (c.columns == 0 || c.n == 0) return;
  c.tile = PowerOfTwo(c.columns, kMaxTile);
  c.lanes = PowerOfTwo(CeilDiv(c.n, kLanePlaces), kMaxThreads / c.tile);
  const int threads = c.tile * c.lanes;
  Launch(ScanKernel<F>, BlocksFor(CeilDiv(c.columns, c.tile)), threads,
         threads * sizeof(typename F::State), f, c);
}

void ScanCuda(const ScanArgs& args) {
  DispatchFloat(args.dtype, [&]<typename T>() {
    Run(Running<DeviceType<T>>{args.op, In<T>(args.x), Out<T>(args.y)}, args, args.reverse);
  });
}

PALIMPSEST_REGISTER_CUDA_KERNEL(scan, ScanCuda);

void LogScanGradCuda(const LogScanGradArgs& args) {
  DispatchFloat(args.dtype, [&]<typename T>() {
    Run(LogGradient<DeviceType<T>>{In<T>(args.x), In<T>(args.y), In<T>(args.dy), Out<T>(args.dx)},
        args, !args.reverse);
  });
}

PALIMPSEST_REGISTER_CUDA_KERNEL(log_scan_grad, LogScanGradCuda);

}  // namespace
}  // namespace palimpsest
