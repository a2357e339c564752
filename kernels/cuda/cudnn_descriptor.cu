#include "kernels/cuda/cudnn.h"

namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {

std::string CudnnError(cudnnStatus_t status) {
  char last[1024] = "";
  Cudnn::Get().GetLastErrorString(last, sizeof(last));
  const std::string name = Cudnn::Get().GetErrorString(status);
  return last[0] == '\0' ? name : name + ", " + last;
}

CudnnDescriptor::CudnnDescriptor(cudnnBackendDescriptorType_t type) {
  PALIMPSEST_CUDNN_CHECK(Cudnn::Get().BackendCreateDescriptor(type, &descriptor_));
}

CudnnDescriptor::~CudnnDescriptor() {
  if (descriptor_ != nullptr) Cudnn::Get().BackendDestroyDescriptor(descriptor_);
}

void CudnnDescriptor::SetAll(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                             int64_t count, const void* values) {
  const cudnnStatus_t status =
      Cudnn::Get().BackendSetAttribute(descriptor_, name, type, count, values);
  PALIMPSEST_CHECK(status == CUDNN_STATUS_SUCCESS)
      << "cudnnBackendSetAttribute of attribute " << name << ": " << CudnnError(status);
}

void CudnnDescriptor::Finalize() { PALIMPSEST_CUDNN_CHECK(TryFinalize()); }

cudnnStatus_t CudnnDescriptor::TryFinalize() { return Cudnn::Get().BackendFinalize(descriptor_); }

int64_t CudnnDescriptor::GetAll(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                                int64_t count, void* values) const {
  int64_t got = 0;
  const cudnnStatus_t status =
      Cudnn::Get().BackendGetAttribute(descriptor_, name, type, count, &got, values);
  PALIMPSEST_CHECK(status == CUDNN_STATUS_SUCCESS)
      << "cudnnBackendGetAttribute of attribute " << name << ": " << CudnnError(status);
  return got;
}

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest
