#ifndef KERNELS_LINEAR_CHUNK_PACKED_H_
#define KERNELS_LINEAR_CHUNK_PACKED_H_

#include "kernels/linear_chunk.h"

namespace palimpsest {

// One of the sequences packed along time, as arguments of its own. Everything is of one dtype.
class PackedSequence {
 public:
  PackedSequence(const LinearChunkArgs& all, int64_t i) : args_(all), size_(SizeOf(all.dtype)) {
    const int64_t begin = all.starts[i], row = begin * all.heads;
    args_.batch = 1, args_.time = all.starts[i + 1] - begin, args_.starts = nullptr;
    keys_ = row * all.key, values_ = row * all.value, gates_ = row;
    keeps_ = all.decay == LinearDecay::kChannels ? keys_ : gates_;
    state_ = i * all.heads * all.key * all.value;
    saved_ = (begin / all.chunk + i) * all.heads * all.states() * all.key * all.value;
    using A = LinearChunkArgs;
    for (auto field : {&A::q, &A::k, &A::e}) Advance(args_.*field, keys_);
    for (auto field : {&A::erase_scale, &A::write_scale, &A::log_eta, &A::beta})
      Advance(args_.*field, gates_);
    for (auto field : {&A::state, &A::momentum}) Advance(args_.*field, state_);
    Advance(args_.v, values_);
    Advance(args_.log_keep, keeps_);
  }

  const LinearChunkArgs& args() const { return args_; }
  LinearChunkOutputs Of(LinearChunkOutputs to) const {
    Advance(to.y, values_);
    for (void** states : {&to.last_state, &to.last_momentum}) Advance(*states, state_);
    Advance(to.saved, saved_);
    return to;
  }
  LinearChunkGradients Of(LinearChunkGradients to) const {
    for (const void** states : {&to.dlast_state, &to.dlast_momentum}) Advance(*states, state_);
    for (void** states : {&to.dstate, &to.dmomentum}) Advance(*states, state_);
    for (void** rows : {&to.dq, &to.dk, &to.de}) Advance(*rows, keys_);
    for (void** gates : {&to.derase_scale, &to.dwrite_scale, &to.dlog_eta, &to.dbeta})
      Advance(*gates, gates_);
    Advance(to.dlog_keep, keeps_);
    Advance(to.dy, values_);
    Advance(to.dv, values_);
    Advance(to.saved, saved_);
    return to;
  }

 private:
  void Advance(const void*& data, int64_t elements) const {
    if (data != nullptr) data = static_cast<const char*>(data) + elements * size_;
  }
  void Advance(void*& data, int64_t elements) const {
    if (data != nullptr) data = static_cast<char*>(data) + elements * size_;
  }

  LinearChunkArgs args_;
  int64_t size_, keys_, values_, gates_, keeps_, state_, saved_;
};

}  // namespace palimpsest

#endif  // KERNELS_LINEAR_CHUNK_PACKED_H_
