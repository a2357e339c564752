#ifndef KERNELS_CUDA_RUNTIME_H_
#define KERNELS_CUDA_RUNTIME_H_

#include <cuda_runtime.h>

#include "core/check.h"

// Every .cu file is compiled twice: by nvcc for a GPU, and for the simulator, whose cuda_runtime.h
// names itself here. What has a linkage lives in a namespace of its own for each.
#ifndef PALIMPSEST_CUDA_FLAVOR
#define PALIMPSEST_CUDA_FLAVOR gpu
#define PALIMPSEST_CUDA_DEVICE kCuda
#endif

namespace palimpsest {

// Stops with the call, its error, and the op in progress.
#define PALIMPSEST_CUDA_CHECK(call)                                                              \
  do {                                                                                           \
    const cudaError_t cuda_error = (call);                                                       \
    PALIMPSEST_CHECK(cuda_error == cudaSuccess) << #call << ": " << cudaGetErrorName(cuda_error) \
                                                << ", " << cudaGetErrorString(cuda_error);       \
  } while (false)

inline namespace PALIMPSEST_CUDA_FLAVOR {

// The stream on which everything runs: memory, copies, kernels.
cudaStream_t CudaStream();

// Whether what runs there is recorded for a graph, and not done.
bool IsRecording();
// Bytes of shared memory that a block can ask for.
int CudaMaxShared();

// Whether there is a device that this driver can use. Asked once.
bool CudaPresent();

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest

#endif  // KERNELS_CUDA_RUNTIME_H_
