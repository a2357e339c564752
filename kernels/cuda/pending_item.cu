#include <mutex>
#include <vector>

#include "core/pending_item.h"
#include "kernels/cuda/runtime.h"

namespace palimpsest {
namespace {

struct Reading {
  double* value = nullptr;  // Pinned.
  cudaEvent_t read = nullptr;
};

// Those not in use: pinned memory is dear to make.
class Readings {
 public:
  static Readings& Get() {
    static auto* readings = new Readings;
    return *readings;
  }

  Reading* Take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) {
      auto* made = new Reading;
      PALIMPSEST_CUDA_CHECK(cudaMallocHost(&made->value, sizeof(double)));
      PALIMPSEST_CUDA_CHECK(cudaEventCreateWithFlags(&made->read, cudaEventDisableTiming));
      return made;
    }
    Reading* reading = free_.back();
    free_.pop_back();
    return reading;
  }
  void Return(Reading* reading) {
    const std::lock_guard lock(mutex_);
    free_.push_back(reading);
  }

 private:
  std::mutex mutex_;
  std::vector<Reading*> free_;
};

void* Begin(const void* from) {
  Reading* reading = Readings::Get().Take();
  PALIMPSEST_CUDA_CHECK(
      cudaMemcpyAsync(reading->value, from, sizeof(double), cudaMemcpyDeviceToHost, CudaStream()));
  PALIMPSEST_CUDA_CHECK(cudaEventRecord(reading->read, CudaStream()));
  return reading;
}

double Wait(void* begun) {
  const auto* reading = static_cast<Reading*>(begun);
  PALIMPSEST_CUDA_CHECK(cudaEventSynchronize(reading->read));
  return *reading->value;
}

// Its memory is not used again before the copy into it is done: copies are made in order.
void End(void* begun) { Readings::Get().Return(static_cast<Reading*>(begun)); }

[[maybe_unused]] const bool registered =
    PendingItem::SetBackend(Device::PALIMPSEST_CUDA_DEVICE, {Begin, Wait, End});

}  // namespace
}  // namespace palimpsest
