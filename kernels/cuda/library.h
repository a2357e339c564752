#ifndef KERNELS_CUDA_LIBRARY_H_
#define KERNELS_CUDA_LIBRARY_H_

#include <dlfcn.h>

#include <string>

#include "core/check.h"

namespace palimpsest {

// A library by its file's name: as the dynamic linker finds it, or from the toolkit in $CUDA_PATH,
// else /usr/local/cuda. nullptr where there is none; *why then says what was tried.
void* OpenCudaLibrary(const std::string& name, std::string* why);

// The library's function of this name; stops where it has none.
template <typename Function>
void FindFunction(void* library, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(library, name));
  PALIMPSEST_CHECK(*function != nullptr) << dlerror();
}

}  // namespace palimpsest

#endif  // KERNELS_CUDA_LIBRARY_H_
