#include "kernels/cuda/library.h"

#include <cstdlib>

namespace palimpsest {

void* OpenCudaLibrary(const std::string& name, std::string* why) {
  if (void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
  *why = dlerror();
  const char* root = std::getenv("CUDA_PATH");
  const std::string path =
      std::string(root != nullptr ? root : "/usr/local/cuda") + "/lib64/" + name;
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) *why += std::string("; ") + dlerror();
  return library;
}

}  // namespace palimpsest
