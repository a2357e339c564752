#include <utility>

#include "core/device_graph.h"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/staging.h"

namespace palimpsest {
namespace {

struct Recorded {
  cudaGraphExec_t graph = nullptr;
  KeptCopies copies;
};

void Begin() {
  // Whatever is freed meanwhile is freed elsewhere: nothing may still use it.
  PALIMPSEST_CUDA_CHECK(cudaStreamSynchronize(CudaStream()));
  PALIMPSEST_CUDA_CHECK(cudaStreamBeginCapture(CudaStream(), cudaStreamCaptureModeRelaxed));
}

void* End() {
  cudaGraph_t graph = nullptr;
  auto* recorded = new Recorded{.copies = TakeKeptCopies()};
  PALIMPSEST_CUDA_CHECK(cudaStreamEndCapture(CudaStream(), &graph));
  PALIMPSEST_CUDA_CHECK(cudaGraphInstantiate(&recorded->graph, graph, 0));
  PALIMPSEST_CUDA_CHECK(cudaGraphDestroy(graph));
  return recorded;
}

void Replay(void* recorded) {
  PALIMPSEST_CUDA_CHECK(cudaGraphLaunch(static_cast<Recorded*>(recorded)->graph, CudaStream()));
}

// Not before it is done, as what it copies from is freed.
void Destroy(void* recorded) {
  auto* doomed = static_cast<Recorded*>(recorded);
  PALIMPSEST_CUDA_CHECK(cudaStreamSynchronize(CudaStream()));
  PALIMPSEST_CUDA_CHECK(cudaGraphExecDestroy(doomed->graph));
  delete doomed;
}

[[maybe_unused]] const bool registered =
    DeviceGraph::SetBackend(Device::PALIMPSEST_CUDA_DEVICE, {Begin, End, Replay, Destroy});

}  // namespace
}  // namespace palimpsest
