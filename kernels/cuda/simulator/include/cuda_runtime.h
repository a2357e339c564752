#ifndef KERNELS_CUDA_SIMULATOR_INCLUDE_CUDA_RUNTIME_H_
#define KERNELS_CUDA_SIMULATOR_INCLUDE_CUDA_RUNTIME_H_

// As much of CUDA's own cuda_runtime.h as this project uses, on the host: found in its place when a
// .cu file is compiled for the simulator.

#define PALIMPSEST_CUDA_FLAVOR simulated
#define PALIMPSEST_CUDA_DEVICE kSimulatedCuda

#include "kernels/cuda/simulator/language.h"
#include "kernels/cuda/simulator/runtime.h"

#endif  // KERNELS_CUDA_SIMULATOR_INCLUDE_CUDA_RUNTIME_H_
