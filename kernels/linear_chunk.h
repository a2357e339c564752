#ifndef KERNELS_LINEAR_CHUNK_H_
#define KERNELS_LINEAR_CHUNK_H_

#include <cstdint>

#include "core/dtype.h"
#include "core/kernel.h"

namespace palimpsest {

inline constexpr int64_t kMaxLinearChunk = 64;

// How a state decays: by a number, by one for each key channel, or by a number with momentum.
enum class LinearDecay { kNumber, kChannels, kMomentum };

// The linear recurrence over whole sequences, one matrix M [value, key] for each batch and head:
//   r_t = write_scale_t v_t - erase_scale_t M_{t-1} e_t,
//   M_t = M_{t-1} diag(exp(log_keep_t)) + r_t k_t^T,   y_t = M_t q_t,
// or, with a momentum S,
//   S_t = exp(log_eta_t) S_{t-1} + r_t k_t^T,   M_t = exp(log_keep_t) M_{t-1} + beta_t S_t.
// Rows are [batch, time, heads, dim], gates [batch, time, heads], states [batch * heads, value,
// key].
struct LinearChunkArgs {
  DType dtype;  // Of rows. Gates and states are f64 beside f64, f32 beside f32 and bf16.
  int64_t batch, time, heads, key, value;
  int64_t chunk;  // In 1 .. kMaxLinearChunk.
  const void *q, *k, *v;
  const void* e;                          // nullptr: nothing is erased. May be k.
  const void *erase_scale, *write_scale;  // nullptr: 1.
  LinearDecay decay;
  const void* log_keep;          // By channels [batch, time, heads, key]. nullptr: 0.
  const void *log_eta, *beta;    // Of momentum. nullptr: 0 and 1.
  const void *state, *momentum;  // M and S before the first token.
  // Of sequences packed along time, [batch + 1] from 0 to time: `batch` is how many they are, while
  // rows and gates have a batch of one. nullptr: each is `time` tokens long.
  const int64_t* starts = nullptr;

  int64_t chunks() const {
    return (time + chunk - 1) / chunk;
  }  // Of a sequence that is not packed.
  // Room for the chunks of all sequences. Those of packed sequence i begin after starts[i] / chunk
  // + i.
  int64_t places() const { return starts == nullptr ? batch * chunks() : time / chunk + batch; }
  int64_t tokens() const { return starts == nullptr ? batch * time : time; }  // Of all sequences.
  int64_t states() const { return decay == LinearDecay::kMomentum ? 2 : 1; }
};

struct LinearChunkOutputs {
  void *y, *last_state, *last_momentum;
  // The states before each chunk, [places, heads, states, key, value], within a sequence head by
  // head; nullptr: not wanted.
  void* saved;
};

struct LinearChunkGradients {
  const void* saved;
  const void *dy, *dlast_state, *dlast_momentum;  // nullptr: 0.
  void *dq, *dk, *dv, *dstate, *dmomentum;
  void* de;  // Where e is k: nullptr, and dk is the sum of both.
  void *derase_scale, *dwrite_scale, *dlog_keep, *dlog_eta, *dbeta;  // nullptr where the args are.
};

extern constinit Kernel<void(const LinearChunkArgs&, const LinearChunkOutputs&)> linear_chunk;
extern constinit Kernel<void(const LinearChunkArgs&, const LinearChunkGradients&)> linear_chunk_vjp;

}  // namespace palimpsest

#endif  // KERNELS_LINEAR_CHUNK_H_
