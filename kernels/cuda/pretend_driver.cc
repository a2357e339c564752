// As much of CUDA's driver, under its name, as cuDNN needs to compile kernels where there is no
// GPU: it loads them as far as to know their names.
#include <cstddef>

extern "C" {

// The name of the kernel asked for last.
const char* pretend_driver_kernel = "";

namespace {
constexpr int kSuccess = 0, kStub = 34, kNoDevice = 100, kNotSupported = 801;
}

int cuInit(unsigned) { return kNoDevice; }
// Told that there is no device, cuDNN would not load what it compiled.
int cuDeviceGetCount(int*) { return kStub; }
int cuGetErrorString(int, const char** text) { return *text = "a pretend driver", kSuccess; }
int cuGetErrorName(int, const char** text) { return *text = "PRETEND", kSuccess; }
int cuDriverGetVersion(int* version) { return *version = 13000, kSuccess; }

int cuLibraryLoadData(void** library, const void* code, void*, void*, unsigned, void*, void*,
                      unsigned) {
  static int loaded;
  *library = &loaded;
  return code != nullptr ? kSuccess : kNotSupported;
}
int cuLibraryGetKernel(void** kernel, void* library, const char* name) {
  static char copy[256];
  size_t i = 0;
  for (; name[i] != '\0' && i + 1 < sizeof(copy); ++i) copy[i] = name[i];
  copy[i] = '\0';
  pretend_driver_kernel = copy;
  *kernel = library;
  return kSuccess;
}
int cuLibraryUnload(void*) { return kSuccess; }
int cuKernelSetAttribute(int, int, void*, int) { return kSuccess; }

// What only a kernel that runs needs.
int cuCtxGetCurrent() { return kNotSupported; }
int cuCtxGetLimit() { return kNotSupported; }
int cuCtxPopCurrent() { return kNotSupported; }
int cuCtxPushCurrent() { return kNotSupported; }
int cuDeviceGet() { return kNotSupported; }
int cuKernelGetAttribute() { return kNotSupported; }
int cuLaunchCooperativeKernel() { return kNotSupported; }
int cuLaunchKernel() { return kNotSupported; }
int cuLaunchKernelEx() { return kNotSupported; }
int cuLibraryLoadFromFile() { return kNotSupported; }
int cuLinkAddData() { return kNotSupported; }
int cuLinkComplete() { return kNotSupported; }
int cuLinkCreate() { return kNotSupported; }
int cuLinkDestroy() { return kNotSupported; }
int cuOccupancyMaxPotentialClusterSize() { return kNotSupported; }
int cuStreamGetCtx() { return kNotSupported; }

}  // extern "C"
