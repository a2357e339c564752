#ifndef KERNELS_CUDA_SIMULATOR_STREAM_H_
#define KERNELS_CUDA_SIMULATOR_STREAM_H_

#include <functional>
#include <utility>
#include <vector>

namespace palimpsest::simulator {

using Work = std::function<void()>;

// A stream: what it is told to do is done at once, or kept while it is recorded.
struct Stream {
  bool recording = false;
  std::vector<Work> recorded = {};
};

// `work` has copied its arguments.
inline void Do(Stream* stream, Work work) {
  if (stream != nullptr && stream->recording) {
    stream->recorded.push_back(std::move(work));
  } else {
    work();
  }
}

}  // namespace palimpsest::simulator

#endif  // KERNELS_CUDA_SIMULATOR_STREAM_H_
