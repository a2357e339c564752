#ifndef KERNELS_CUDA_CUBLAS_LT_H_
#define KERNELS_CUDA_CUBLAS_LT_H_

#include <cublasLt.h>

#include "core/check.h"
#include "kernels/cuda/runtime.h"

namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {

// cuBLASLt's functions. The library is opened at the first use: to map it takes longer than most
// commands run, and a machine may lack it that never multiplies on a GPU.
struct CublasLt {
  decltype(&cublasLtCreate) Create;
  decltype(&cublasLtGetStatusString) GetStatusString;
  decltype(&cublasLtMatmul) Matmul;
  decltype(&cublasLtMatmulAlgoGetHeuristic) MatmulAlgoGetHeuristic;
  decltype(&cublasLtMatmulDescCreate) MatmulDescCreate;
  decltype(&cublasLtMatmulDescDestroy) MatmulDescDestroy;
  decltype(&cublasLtMatmulDescSetAttribute) MatmulDescSetAttribute;
  decltype(&cublasLtMatmulPreferenceCreate) MatmulPreferenceCreate;
  decltype(&cublasLtMatmulPreferenceDestroy) MatmulPreferenceDestroy;
  decltype(&cublasLtMatmulPreferenceSetAttribute) MatmulPreferenceSetAttribute;
  decltype(&cublasLtMatrixLayoutCreate) MatrixLayoutCreate;
  decltype(&cublasLtMatrixLayoutDestroy) MatrixLayoutDestroy;
  decltype(&cublasLtMatrixLayoutSetAttribute) MatrixLayoutSetAttribute;

  static const CublasLt& Get();
  static cublasLtHandle_t Handle();
};

// Stops with the call, its status, and the op in progress.
#define PALIMPSEST_CUBLASLT_CHECK(call)                                               \
  do {                                                                                \
    const cublasStatus_t lt_status = (call);                                          \
    PALIMPSEST_CHECK(lt_status == CUBLAS_STATUS_SUCCESS)                              \
        << #call << ": " << ::palimpsest::CublasLt::Get().GetStatusString(lt_status); \
  } while (false)

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest

#endif  // KERNELS_CUDA_CUBLAS_LT_H_
