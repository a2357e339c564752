#include <vector>

#include "core/tensor.h"
#include "kernels/device/chunk_channels.cuh"
#include "kernels/device/chunk_number.cuh"
#include "kernels/linear_chunk.h"
#include "kernels/linear_chunk_launch.h"

namespace palimpsest {
namespace {

using device::ChunkGradients;
using device::ChunkOperands;
using device::ChunkProblem;
using device::Number;

template <typename T>
ChunkProblem<T> ProblemOf(const LinearChunkArgs& a) {
  using N = Number<T>;
  const auto rows = [](const void* x) { return static_cast<const T*>(x); };
  const auto numbers = [](const void* x) { return static_cast<const N*>(x); };
  return {.batch = a.batch,
          .time = a.time,
          .heads = a.heads,
          .key = a.key,
          .value = a.value,
          .chunk = a.chunk,
          .states = static_cast<int>(a.states()),
          .channels = a.decay == LinearDecay::kChannels,
          .q = rows(a.q),
          .k = rows(a.k),
          .v = rows(a.v),
          .e = rows(a.e),
          .erase_scale = numbers(a.erase_scale),
          .write_scale = numbers(a.write_scale),
          .log_keep = numbers(a.log_keep),
          .log_eta = numbers(a.log_eta),
          .beta = numbers(a.beta),
          .state = numbers(a.state),
          .momentum = numbers(a.momentum),
          .starts = a.starts};
}

// Memory on the device until what is launched here has run.
class Workspace {
 public:
  template <typename T>
  T* Take(int64_t n) {
    const DType dtype = sizeof(T) == 8 ? DType::kF64 : sizeof(T) == 4 ? DType::kF32 : DType::kBf16;
    held_.push_back(Tensor::Empty({n}, dtype, Device::PALIMPSEST_CUDA_DEVICE));
    return static_cast<T*>(held_.back().mutable_raw());
  }

 private:
  std::vector<Tensor> held_;
};

template <typename T>
ChunkOperands<T> TakeOperands(const ChunkProblem<T>& g, bool gradients, Workspace& memory) {
  using N = Number<T>;
  const int64_t chunks = g.places(), rows = chunks * g.rows();
  return {.q = memory.Take<T>(rows * g.height()),
          .k = memory.Take<T>(rows * g.height()),
          .w = g.erases() ? memory.Take<T>(rows * g.height()) : nullptr,
          .u = memory.Take<T>(rows * g.value),
          .p = memory.Take<T>(rows * g.rows()),
          .f = memory.Take<N>(chunks * g.factors()),
          .inverse = gradients && g.erases() ? memory.Take<N>(rows * g.rows()) : nullptr,
          .dr = gradients ? memory.Take<T>(rows * g.value) : nullptr};
}

template <typename T, typename Decay>
void RunForward(const LinearChunkArgs& args, const LinearChunkOutputs& out) {
  using N = Number<T>;
  const ChunkProblem<T> g = ProblemOf<T>(args);
  Workspace memory;
  const ChunkOperands<T> operands = TakeOperands(g, false, memory);
  ChunkKernels<T, Decay>::Prepare(g, operands);
  const device::PassOutputs<T> to = {.y = static_cast<T*>(out.y),
                                     .last_state = static_cast<N*>(out.last_state),
                                     .last_momentum = static_cast<N*>(out.last_momentum),
                                     .saved = static_cast<N*>(out.saved)};
  PassKernels<T>::Forward(g, operands, to);
}

template <typename T, typename Decay>
void RunBackward(const LinearChunkArgs& args, const LinearChunkGradients& grads) {
  using N = Number<T>;
  const ChunkProblem<T> g = ProblemOf<T>(args);
  Workspace memory;
  const ChunkOperands<T> operands = TakeOperands(g, true, memory);
  ChunkKernels<T, Decay>::Prepare(g, operands);
  const auto rows = [](void* x) { return static_cast<T*>(x); };
  const auto numbers = [](void* x) { return static_cast<N*>(x); };
  const ChunkGradients<T> to = {.saved = static_cast<const N*>(grads.saved),
                                .dsaved = memory.Take<N>(g.places() * g.height() * g.value),
                                .dy = static_cast<const T*>(grads.dy),
                                .dq = rows(grads.dq),
                                .dk = rows(grads.dk),
                                .dv = rows(grads.dv),
                                .de = rows(grads.de),
                                .derase_scale = numbers(grads.derase_scale),
                                .dwrite_scale = numbers(grads.dwrite_scale),
                                .dlog_keep = numbers(grads.dlog_keep),
                                .dlog_eta = numbers(grads.dlog_eta),
                                .dbeta = numbers(grads.dbeta),
                                .r = nullptr,
                                .d = nullptr};
  const device::StateCotangents<T> states = {
      .dlast_state = static_cast<const N*>(grads.dlast_state),
      .dlast_momentum = static_cast<const N*>(grads.dlast_momentum),
      .dstate = numbers(grads.dstate),
      .dmomentum = numbers(grads.dmomentum)};
  PassKernels<T>::Backward(g, operands, to, states);
  ChunkKernels<T, Decay>::Backward(g, operands, to);
}

// f.operator()<T, Decay>() for the rows' type on the device and how the state decays.
template <typename F>
void Dispatch(const LinearChunkArgs& args, F f) {
  PALIMPSEST_CHECK(args.chunk >= 1 && args.chunk <= kMaxLinearChunk) << "chunk " << args.chunk;
  DispatchFloat(args.dtype, [&]<typename Host>() {
    using T = DeviceType<Host>;
    switch (args.decay) {
      case LinearDecay::kNumber: return f.template operator()<T, device::NumberDecay<T, 1>>();
      case LinearDecay::kMomentum: return f.template operator()<T, device::NumberDecay<T, 2>>();
      case LinearDecay::kChannels: return f.template operator()<T, device::ChannelDecay<T>>();
    }
  });
}

void ForwardCuda(const LinearChunkArgs& args, const LinearChunkOutputs& out) {
  Dispatch(args, [&]<typename T, typename Decay>() { RunForward<T, Decay>(args, out); });
}
void BackwardCuda(const LinearChunkArgs& args, const LinearChunkGradients& grads) {
  Dispatch(args, [&]<typename T, typename Decay>() { RunBackward<T, Decay>(args, grads); });
}

PALIMPSEST_REGISTER_CUDA_KERNEL(linear_chunk, ForwardCuda);
PALIMPSEST_REGISTER_CUDA_KERNEL(linear_chunk_vjp, BackwardCuda);

}  // namespace
}  // namespace palimpsest
