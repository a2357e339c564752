#include "kernels/cuda/launch.h"
#include "kernels/timing.h"

namespace palimpsest {
namespace {

class Event {
 public:
  Event() { PALIMPSEST_CUDA_CHECK(cudaEventCreate(&event_)); }
  ~Event() { (void)cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void Record() { PALIMPSEST_CUDA_CHECK(cudaEventRecord(event_, CudaStream())); }
  void Wait() { PALIMPSEST_CUDA_CHECK(cudaEventSynchronize(event_)); }
  double SecondsSince(const Event& begin) const {
    float milliseconds = 0.0f;
    PALIMPSEST_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, begin.event_, event_));
    return 1e-3 * milliseconds;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

std::vector<double> SecondsOfCuda(int times, absl::FunctionRef<void()> body) {
  std::vector<Event> begins(times), ends(times);
  for (int i = 0; i < times; ++i) {
    begins[i].Record();
    body();
    ends[i].Record();
  }
  std::vector<double> seconds;
  if (times > 0) ends.back().Wait();
  for (int i = 0; i < times; ++i) seconds.push_back(ends[i].SecondsSince(begins[i]));
  return seconds;
}

PALIMPSEST_REGISTER_CUDA_KERNEL(seconds_of, SecondsOfCuda);

}  // namespace
}  // namespace palimpsest
