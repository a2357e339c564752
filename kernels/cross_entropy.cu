#include "kernels/cross_entropy.h"
#include "kernels/cuda/dispatch.h"
#include "kernels/device/online_sum.cuh"

namespace palimpsest {
namespace {

using device::kThreads;
using device::Number;

// The one block that sums over rows.
constexpr int kSumThreads = 1024;

// Whose labels are [rows], and whose classes are [0, classes).
struct Labels {
  const int64_t* of;
  int64_t ignored, rows, classes;

  __device__ bool Ignored(int64_t row) const { return of[row] == ignored; }
  __device__ bool Valid(int64_t row) const { return of[row] >= 0 && of[row] < classes; }
};

template <typename Args>
Labels LabelsOf(const Args& args) {
  return {args.labels, args.ignored, args.rows, args.classes};
}

// losses[r]: log(sum exp) - logit of the label; NaN of a label that is no class, as a kernel cannot
// stop; 0 if ignored.
template <typename Row, int kPack, typename T>
__global__ void RowLossKernel(Labels labels, const T* logits, Number<T>* log_sum, double* losses) {
  using N = Number<T>;
  for (int64_t row = Row::First(); row < labels.rows; row += Row::Stride()) {
    const T* x = logits + row * labels.classes;
    const bool ignored = labels.Ignored(row), valid = labels.Valid(row);
    N log_of_sum(0);
    if (!ignored) {
      const device::OnlineSum<N> total = device::SumExpRow<Row, kPack>(labels.classes, x);
      log_of_sum = total.max + log(total.Sum());
    }
    if (Row::Rank() != 0) continue;
    log_sum[row] = log_of_sum;
    losses[row] = ignored ? 0.0
                  : valid ? static_cast<double>(log_of_sum) -
                                static_cast<double>(device::Widen(x[labels.of[row]]))
                          : static_cast<double>(NAN);
  }
}

// By one block: how many rows have a label, for each of its threads.
__device__ double CountLabels(const Labels& labels) {
  int64_t count = 0;
  for (int64_t row = threadIdx.x; row < labels.rows; row += kSumThreads)
    count += labels.Ignored(row) ? 0 : 1;
  count = device::BlockReduce(count, int64_t{0}, device::Plus(), device::SharedMemory<int64_t>());
  return static_cast<double>(count > 0 ? count : 1);
}

template <typename N>
__global__ void __launch_bounds__(kSumThreads)
    MeanLossKernel(Labels labels, const double* losses, N* loss) {
  double sum = 0.0;
  for (int64_t row = threadIdx.x; row < labels.rows; row += kSumThreads) sum += losses[row];
  sum = device::BlockReduce(sum, 0.0, device::Plus(), device::SharedMemory<double>());
  const double count = CountLabels(labels);
  if (threadIdx.x == 0) *loss = static_cast<N>(sum / count);
}

void CrossEntropyCuda(const CrossEntropyArgs& args) {
  DispatchFloat(args.dtype, [&]<typename Host>() {
    using T = DeviceType<Host>;
    using N = Number<T>;
    const Labels labels = LabelsOf(args);
    Scratch<double> losses(args.rows);
    const T* logits = In<Host>(args.logits);
    DispatchRow<T>(args.rows, args.classes, {logits},
                   [&]<typename Row, int kPack>(unsigned blocks) {
                     Launch(RowLossKernel<Row, kPack, T>, blocks, kThreads, device::kReduceBytes,
                            labels, logits, static_cast<N*>(args.log_sum), losses.data());
                   });
    Launch(MeanLossKernel<N>, 1, kSumThreads, device::kReduceBytes, labels, losses.data(),
           static_cast<N*>(args.loss));
  });
}

PALIMPSEST_REGISTER_CUDA_KERNEL(cross_entropy, CrossEntropyCuda);

template <typename N>
__global__ void __launch_bounds__(kSumThreads)
    GradScaleKernel(Labels labels, const N* dloss, N* scale) {
  const double count = CountLabels(labels);
  if (threadIdx.x == 0) *scale = *dloss / static_cast<N>(count);
}

template <typename Row, int kPack, typename T>
__global__ void RowGradKernel(Labels labels, const T* logits, const Number<T>* log_sum,
                              const Number<T>* of_all, T* dlogits) {
  using N = Number<T>;
  for (int64_t row = Row::First(); row < labels.rows; row += Row::Stride()) {
    const bool ignored = labels.Ignored(row);
    const int64_t label = labels.of[row], at = row * labels.classes;
    const N base = log_sum[row], scale = labels.Valid(row) ? *of_all : N(NAN);
    device::MapRow<Row, kPack>(
        labels.classes, dlogits + at,
        [=](int64_t c, N x) {
          if (ignored) return N(0);
          return (exp(x - base) - (c == label ? N(1) : N(0))) * scale;
        },
        logits + at);
  }
}

void CrossEntropyGradCuda(const CrossEntropyGradArgs& args) {
  DispatchFloat(args.dtype, [&]<typename Host>() {
    using T = DeviceType<Host>;
    using N = Number<T>;
    const Labels labels = LabelsOf(args);
    Scratch<N> scale(1);
    Launch(GradScaleKernel<N>, 1, kSumThreads, device::kReduceBytes, labels,
           static_cast<const N*>(args.dloss), scale.data());
    const T* logits = In<Host>(args.logits);
    T* dlogits = Out<Host>(args.dlogits);
    DispatchRow<T>(args.rows, args.classes, {logits, dlogits},
                   [&]<typename Row, int kPack>(unsigned blocks) {
                     Launch(RowGradKernel<Row, kPack, T>, blocks, kThreads, 0, labels, logits,
                            static_cast<const N*>(args.log_sum), scale.data(), dlogits);
                   });
  });
}

PALIMPSEST_REGISTER_CUDA_KERNEL(cross_entropy_grad, CrossEntropyGradCuda);

}  // namespace
}  // namespace palimpsest
