#include "kernels/cuda/dispatch.h"
#include "kernels/device/row.cuh"
#include "kernels/label_score.h"

namespace palimpsest {
namespace {

using device::kThreads;

// The largest logit so far and its class.
struct Best {
  double logit = -INFINITY;
  int64_t at = INT64_MAX;
};

__device__ Best FromLane(Best v, int mask) {
  return {device::FromLane(v.logit, mask), device::FromLane(v.at, mask)};
}

struct Better {
  __device__ Best operator()(const Best& a, const Best& b) const {
    return b.logit > a.logit || (b.logit == a.logit && b.at < a.at) ? b : a;
  }
};

template <typename Row, int kPack, typename T>
__device__ Best BestOfRow(int64_t classes, const T* x) {
  Best best;
  device::ForRuns<Row, kPack>(
      classes,
      [&](int64_t i, const auto& run) {
#pragma unroll
        for (int j = 0; j < kPack; ++j)
          best = Better()(best, {static_cast<double>(run.at[j]), i + j});
      },
      x);
  return Row::Reduce(best, Best(), Better());
}

// A label that is no class has the loss NaN, as a kernel cannot stop.
template <typename Row, int kPack, typename T>
__global__ void LabelRowKernel(int64_t rows, int64_t classes, const T* logits, const int32_t* label,
                               int32_t ignored, double* losses, int32_t* correct) {
  for (int64_t row = Row::First(); row < rows; row += Row::Stride()) {
    if (label[row] == ignored) continue;
    const T* x = logits + row * classes;
    const Best best = BestOfRow<Row, kPack>(classes, x);
    const auto power = [=](auto v) { return exp(static_cast<double>(v) - best.logit); };
    const double sum = device::ReduceRow<Row, kPack>(classes, 0.0, device::Plus(), power, x);
    if (Row::Rank() != 0) continue;
    const bool valid = label[row] >= 0 && label[row] < classes;
    losses[row] = valid ? best.logit + log(sum) - static_cast<double>(device::Widen(x[label[row]]))
                        : static_cast<double>(NAN);
    correct[row] = best.at == label[row] ? 1 : 0;
  }
}

// A thread for each sequence and group, and one for all of a sequence's labels.
__global__ void LabelSumKernel(LabelScoreArgs args, const double* losses, const int32_t* correct) {
  const int64_t columns = 1 + args.groups, sums = args.batch * columns;
  for (int64_t i = blockIdx.x * int64_t{blockDim.x} + threadIdx.x; i < sums;
       i += int64_t{gridDim.x} * blockDim.x) {
    const int64_t begin = i / columns * args.time, column = i % columns;
    double count = 0.0, right = 0.0, loss = 0.0;
    for (int64_t t = begin; t < begin + args.time; ++t) {
      if (args.label[t] == args.ignored) continue;
      if (column > 0 && (args.group == nullptr || args.group[t] != column - 1)) continue;
      count += 1.0, right += correct[t], loss += losses[t];
    }
    args.scores[3 * i] = count;
    args.scores[3 * i + 1] = right;
    args.scores[3 * i + 2] = loss;
  }
}

void LabelScoreCuda(const LabelScoreArgs& args) {
  const int64_t rows = args.batch * args.time;
  Scratch<double> losses(rows);
  Scratch<int32_t> correct(rows);
  DispatchFloat(args.dtype, [&]<typename Host>() {
    using T = DeviceType<Host>;
    const T* logits = In<Host>(args.logits);
    DispatchRow<T>(rows, args.classes, {logits}, [&]<typename Row, int kPack>(unsigned blocks) {
      Launch(LabelRowKernel<Row, kPack, T>, blocks, kThreads, device::kReduceBytes, rows,
             args.classes, logits, args.label, args.ignored, losses.data(), correct.data());
    });
  });
  Launch(LabelSumKernel, BlocksFor(CeilDiv(args.batch * (1 + args.groups), kThreads)), kThreads, 0,
         args, losses.data(), correct.data());
}

PALIMPSEST_REGISTER_CUDA_KERNEL(label_score, LabelScoreCuda);

}  // namespace
}  // namespace palimpsest
