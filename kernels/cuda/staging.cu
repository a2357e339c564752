#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>

#include "kernels/cuda/staging.h"

namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {

namespace {

// Small, as most copies are: a mask, a batch of tokens. So many copies may be on their way.
constexpr int64_t kPieceBytes = int64_t{64} << 10;
constexpr int kPieces = 256;

char* MakePinned(int64_t bytes) {
  char* data = nullptr;
  PALIMPSEST_CUDA_CHECK(cudaMallocHost(&data, bytes));
  return data;
}

// Pieces of pinned memory, used in turn; each waits for its last copy before it is filled again.
class Staging {
 public:
  static Staging& Get() {
    static auto* staging = new Staging;
    return *staging;
  }

  void Copy(char* to, const char* from, int64_t bytes) {
    const std::lock_guard lock(mutex_);
    for (int64_t done = 0; done < bytes; done += kPieceBytes) {
      const int64_t size = std::min(bytes - done, kPieceBytes);
      Piece& piece = pieces_[next_];
      next_ = (next_ + 1) % kPieces;
      PALIMPSEST_CUDA_CHECK(cudaEventSynchronize(piece.copied));
      std::memcpy(piece.data, from + done, size);
      PALIMPSEST_CUDA_CHECK(
          cudaMemcpyAsync(to + done, piece.data, size, cudaMemcpyHostToDevice, CudaStream()));
      PALIMPSEST_CUDA_CHECK(cudaEventRecord(piece.copied, CudaStream()));
    }
  }

 private:
  struct Piece {
    char* data = nullptr;
    cudaEvent_t copied = nullptr;
  };

  Staging() {
    char* data = MakePinned(kPieceBytes * kPieces);
    for (Piece& piece : pieces_) {
      piece.data = std::exchange(data, data + kPieceBytes);
      PALIMPSEST_CUDA_CHECK(cudaEventCreateWithFlags(&piece.copied, cudaEventDisableTiming));
    }
  }

  std::mutex mutex_;
  Piece pieces_[kPieces];
  int next_ = 0;
};

KeptCopies& Kept() {
  static auto* kept = new KeptCopies;
  return *kept;
}

}  // namespace

KeptCopies TakeKeptCopies() { return std::exchange(Kept(), {}); }

void CopyToDevice(void* to, const void* from, int64_t bytes) {
  if (IsRecording()) {
    char* kept = Kept().emplace_back(MakePinned(bytes)).get();
    std::memcpy(kept, from, bytes);
    PALIMPSEST_CUDA_CHECK(cudaMemcpyAsync(to, kept, bytes, cudaMemcpyHostToDevice, CudaStream()));
    return;
  }
  Staging::Get().Copy(static_cast<char*>(to), static_cast<const char*>(from), bytes);
}

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest
