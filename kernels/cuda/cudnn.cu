#include <cstdio>
#include <string>

#include "kernels/cuda/cudnn.h"
#include "kernels/cuda/library.h"

namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {
namespace {

const std::string& LibraryName() {
  static const std::string name = "libcudnn.so." + std::to_string(CUDNN_MAJOR);
  return name;
}

// What cuDNN compiles its kernels with, and what that opens in turn: both by name, which the
// dynamic linker need not know where it is a toolkit that has them. Without them cuDNN says what it
// lacks.
void OpenNvrtc() {
  std::string why;
  void* nvrtc = OpenCudaLibrary("libnvrtc.so." + std::to_string(CUDART_VERSION / 1000), &why);
  if (nvrtc == nullptr) return;
  int (*version)(int* major, int* minor) = nullptr;
  FindFunction(nvrtc, "nvrtcVersion", &version);
  int major = 0, minor = 0;
  version(&major, &minor);
  OpenCudaLibrary("libnvrtc-builtins.so." + std::to_string(major) + "." + std::to_string(minor),
                  &why);
}

// Before it, attention's backward may read out of bounds where it is replayed in a CUDA graph, and
// some lengths and head sizes give wrong gradients (cudnn-frontend's notes on 1.16, its issue 160).
constexpr size_t kLeastVersion = 91501;

std::string VersionName(size_t version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

bool IsHopper() {
  int device = 0, major = 0;
  PALIMPSEST_CUDA_CHECK(cudaGetDevice(&device));
  PALIMPSEST_CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  return major == 9;
}

bool IsRightVersion() {
  const size_t version = Cudnn::Get().GetVersion();
  if (version >= kLeastVersion) return true;
  std::fprintf(stderr,
               "cuDNN here is %s, whose attention has faults mended in %s: attention goes by this "
               "program's own kernels, which are slower\n",
               VersionName(version).c_str(), VersionName(kLeastVersion).c_str());
  return false;
}

Cudnn Load() {
  std::string why;
  void* library = OpenCudaLibrary(LibraryName(), &why);
  PALIMPSEST_CHECK(library != nullptr)
      << "attention on CUDA needs " << LibraryName() << ": " << why
      << ". Install cuDNN, or set CUDA_PATH or LD_LIBRARY_PATH to where it is";
  OpenNvrtc();
  Cudnn cudnn;
#define PALIMPSEST_FIND(name) FindFunction(library, "cudnn" #name, &cudnn.name)
  PALIMPSEST_FIND(Create);
  PALIMPSEST_FIND(GetErrorString);
  PALIMPSEST_FIND(GetLastErrorString);
  PALIMPSEST_FIND(GetVersion);
  PALIMPSEST_FIND(SetStream);
  PALIMPSEST_FIND(BackendCreateDescriptor);
  PALIMPSEST_FIND(BackendDestroyDescriptor);
  PALIMPSEST_FIND(BackendExecute);
  PALIMPSEST_FIND(BackendFinalize);
  PALIMPSEST_FIND(BackendGetAttribute);
  PALIMPSEST_FIND(BackendSetAttribute);
#undef PALIMPSEST_FIND
  return cudnn;
}

}  // namespace

bool Cudnn::Present() {
  std::string why;
  return OpenCudaLibrary(LibraryName(), &why) != nullptr;
}

const Cudnn& Cudnn::Get() {
  static const Cudnn cudnn = Load();
  return cudnn;
}

cudnnHandle_t Cudnn::Handle() {
  static const cudnnHandle_t handle = [] {
    cudnnHandle_t made;
    PALIMPSEST_CUDNN_CHECK(Get().Create(&made));
    PALIMPSEST_CUDNN_CHECK(Get().SetStream(made, CudaStream()));
    return made;
  }();
  return handle;
}

bool Cudnn::Serves() {
  static const bool serves = IsHopper() && IsRightVersion();
  return serves;
}

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest
