#ifndef KERNELS_LINEAR_CHUNK_H_
#define KERNELS_LINEAR_CHUNK_H_

#include <cstdint>

#include "core/dtype.h"
#include "core/kernel.h"

namespace palimpsest {

inline constexpr int64_t kMaxLinearChunk = 64;

// The gated linear recurrence over whole sequences, one matrix M [value, key] for each batch and
// head:
//   M_t = exp(log_keep_t) M_{t-1} + (write_scale_t v_t - erase_scale_t M_{t-1} e_t) k_t^T,   y_t =
//   M_t q_t.
// Rows are [batch, time, heads, dim], gates [batch, time, heads], states [batch * heads, value,
// key].
struct LinearChunkArgs {
  DType dtype;  // f64 or f32, of everything.
  int64_t batch, time, heads, key, value;
  int64_t chunk;  // In 1 .. kMaxLinearChunk.
  const void *q, *k, *v;
  const void* e;                          // nullptr: nothing is erased. May be k.
  const void* log_keep;                   // nullptr: 0.
  const void *erase_scale, *write_scale;  // nullptr: 1.
  const void* state;

  int64_t chunks() const { return (time + chunk - 1) / chunk; }
};

struct LinearChunkOutputs {
  void *y, *last_state;
  void* saved;  // The state before each chunk, [batch * heads, chunks, key, value]; nullptr: not
                // wanted.
};

struct LinearChunkGradients {
  const void* saved;
  const void *dy, *dlast_state;  // nullptr: 0.
  void *dq, *dk, *dv, *dstate;
  void* de;  // Where e is k: nullptr, and dk is the sum of both.
  void *dlog_keep, *derase_scale, *dwrite_scale;  // nullptr where the args are.
};

extern constinit Kernel<void(const LinearChunkArgs&, const LinearChunkOutputs&)> linear_chunk;
extern constinit Kernel<void(const LinearChunkArgs&, const LinearChunkGradients&)> linear_chunk_vjp;

}  // namespace palimpsest

#endif  // KERNELS_LINEAR_CHUNK_H_
