#include <dlfcn.h>

#include <cstdlib>
#include <string>

#include "kernels/cuda/cublas_lt.h"

namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {
namespace {

// By its name, or where a toolkit keeps it.
void* OpenLibrary() {
  const std::string name = "libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR);
  if (void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
  const std::string why = dlerror();
  const char* root = std::getenv("CUDA_PATH");
  const std::string path =
      std::string(root != nullptr ? root : "/usr/local/cuda") + "/lib64/" + name;
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  PALIMPSEST_CHECK(library != nullptr)
      << "matrix products on CUDA need " << name << ": " << why << "; " << dlerror()
      << ". Install cuBLAS, or set CUDA_PATH or LD_LIBRARY_PATH to where it is";
  return library;
}

template <typename Function>
void Find(void* library, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(library, name));
  PALIMPSEST_CHECK(*function != nullptr) << "cuBLASLt has no " << name;
}

CublasLt Load() {
  void* library = OpenLibrary();
  CublasLt lt;
#define PALIMPSEST_FIND(name) Find(library, "cublasLt" #name, &lt.name)
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
