#include <string>

#include "kernels/cuda/cublas_lt.h"
#include "kernels/cuda/library.h"

namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {
namespace {

CublasLt Load() {
  const std::string name = "libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR);
  std::string why;
  void* library = OpenCudaLibrary(name, &why);
  PALIMPSEST_CHECK(library != nullptr)
      << "matrix products on CUDA need " << name << ": " << why
      << ". Install cuBLAS, or set CUDA_PATH or LD_LIBRARY_PATH to where it is";
  CublasLt lt;
#define PALIMPSEST_FIND(name) FindFunction(library, "cublasLt" #name, &lt.name)
  PALIMPSEST_FIND(Create);
  PALIMPSEST_FIND(GetStatusString);
  PALIMPSEST_FIND(Matmul);
  PALIMPSEST_FIND(MatmulAlgoGetHeuristic);
  PALIMPSEST_FIND(MatmulDescCreate);
  PALIMPSEST_FIND(MatmulDescDestroy);
  PALIMPSEST_FIND(MatmulDescSetAttribute);
  PALIMPSEST_FIND(MatmulPreferenceCreate);
  PALIMPSEST_FIND(MatmulPreferenceDestroy);
  PALIMPSEST_FIND(MatmulPreferenceSetAttribute);
  PALIMPSEST_FIND(MatrixLayoutCreate);
  PALIMPSEST_FIND(MatrixLayoutDestroy);
  PALIMPSEST_FIND(MatrixLayoutSetAttribute);
#undef PALIMPSEST_FIND
  return lt;
}

}  // namespace

const CublasLt& CublasLt::Get() {
  static const CublasLt lt = Load();
  return lt;
}

cublasLtHandle_t CublasLt::Handle() {
  static const cublasLtHandle_t handle = [] {
    cublasLtHandle_t made;
    PALIMPSEST_CUBLASLT_CHECK(Get().Create(&made));
    return made;
  }();
  return handle;
}

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest
