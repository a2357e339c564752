#include "kernels/linear_chunk.h"

#include <utility>
#include <vector>

#include "core/parallel.h"
#include "core/tensor.h"
#include "kernels/linear_chunk_backward.h"
#include "kernels/linear_chunk_channels.h"
#include "kernels/linear_chunk_decay.h"
#include "kernels/linear_chunk_forward.h"
#include "kernels/linear_chunk_packed.h"

namespace palimpsest {

constinit Kernel<void(const LinearChunkArgs&, const LinearChunkOutputs&)> linear_chunk(
    "linear_chunk");
constinit Kernel<void(const LinearChunkArgs&, const LinearChunkGradients&)> linear_chunk_vjp(
    "linear_chunk_vjp");

namespace {

template <typename T>
TileSizes SizesOf(const LinearChunkArgs& a, int64_t values) {
  return {.states = a.states(),
          .key = tile::Padded<T>(a.key),
          .value = tile::Padded<T>(values),
          .reads = a.e == nullptr ? kTile : 2 * kTile};
}

// Value channels are independent: where there are few heads, or the states of a chunk's tiles would
// not stay in the second cache, they are cut into blocks, by the shape alone.
template <typename T>
int64_t ValueBlock(const LinearChunkArgs& args) {
  constexpr int64_t kUnits = 8, kLeast = 32, kCache = int64_t{1} << 20;
  const int64_t channel =
      SizesOf<T>(args, 1).height() * int64_t{sizeof(T)} * ((args.chunk + kTile - 1) / kTile + 2);
  const int64_t blocks = std::max(kUnits / std::clamp<int64_t>(args.batch * args.heads, 1, kUnits),
                                  (args.value * channel + kCache - 1) / kCache);
  const int64_t width = (args.value + blocks - 1) / blocks;
  return std::min((width + kLeast - 1) / kLeast * kLeast, args.value);
}

// What the blocks of value channels make, block by block, of what they share: nothing of outputs,
// parts of gradients.
template <typename T>
class BlockOutputs {
 public:
  BlockOutputs(const LinearChunkArgs&, const LinearChunkOutputs& all, int64_t) : all_(all) {}
  const LinearChunkOutputs& operator[](int64_t) const { return all_; }
  void Sum() const {}

 private:
  const LinearChunkOutputs& all_;
};

template <typename T>
class BlockGradients {
 public:
  BlockGradients(const LinearChunkArgs& a, const LinearChunkGradients& all, int64_t blocks)
      : blocks_(blocks, all) {
    if (blocks == 1) return;
    const int64_t gates = a.batch * a.time * a.heads, rows = gates * a.key;
    using G = LinearChunkGradients;
    for (const auto& [field, size] : std::vector<std::pair<void * G::*, int64_t>>{
             {&G::dq, rows},
             {&G::dk, rows},
             {&G::de, rows},
             {&G::derase_scale, gates},
             {&G::dwrite_scale, gates},
             {&G::dlog_keep, a.decay == LinearDecay::kChannels ? rows : gates},
             {&G::dlog_eta, gates},
             {&G::dbeta, gates}}) {
      if (all.*field != nullptr) shared_.emplace_back(field, size);
    }
    // The first block writes to the gradient itself.
    int64_t sum = 0;
    for (const auto& [field, size] : shared_) sum += size;
    T* at = Memory(sum * (blocks - 1));
    for (int64_t b = 1; b < blocks; ++b) {
      for (const auto& [field, size] : shared_) blocks_[b].*field = std::exchange(at, at + size);
    }
  }
  const LinearChunkGradients& operator[](int64_t block) const { return blocks_[block]; }

  // In the order of the blocks.
  void Sum() const {
    for (const auto& [field, size] : shared_) {
      ParallelFor(size, 1 << 14, [&, field = field](int64_t begin, int64_t end) {
        T* to = static_cast<T*>(blocks_[0].*field);
        for (size_t b = 1; b < blocks_.size(); ++b) {
          const T* from = static_cast<const T*>(blocks_[b].*field);
          for (int64_t i = begin; i < end; ++i) to[i] += from[i];
        }
      });
    }
  }

 private:
  // Of this thread, kept for the next call.
  static T* Memory(int64_t size) {
    thread_local AlignedArray<T> memory;
    thread_local int64_t capacity = 0;
    return Reserve(memory, capacity, size);
  }

  std::vector<LinearChunkGradients> blocks_;
  std::vector<std::pair<void * LinearChunkGradients::*, int64_t>> shared_;
};

// Heads that take turns on one thread; whichever they are, each gets the same result.
int64_t HeadsTogether(const LinearChunkArgs& args) {
  constexpr int64_t kMost = 4;
  return std::clamp<int64_t>(args.batch * args.heads / (2 * NumThreads()), 1,
                             std::min(kMost, std::max<int64_t>(args.heads, 1)));
}

template <typename T, typename P, typename Blocks, typename To>
void OverUnits(const LinearChunkArgs& args, const To& to) {
  const int64_t together = HeadsTogether(args), groups = (args.heads + together - 1) / together,
                width = ValueBlock<T>(args),
                blocks =
                    std::max<int64_t>((args.value + width - 1) / std::max<int64_t>(width, 1), 1);
  const Blocks outputs(args, to, blocks);
  ParallelFor(args.batch * groups * blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t block = i % blocks, group = i / blocks % groups, batch = i / blocks / groups;
      const int64_t head = group * together, value = block * width;
      const Unit unit{args, batch, head, value, std::min(width, args.value - value)};
      const TileSizes sizes = SizesOf<T>(args, unit.values);
      const int64_t heads = std::min(together, args.heads - head);
      const bool padded = sizes.key != args.key || sizes.value != unit.values;
      Arena<T> arena(P::ArenaSize(args, sizes) + heads * sizes.height() * sizes.value, padded);
      P(unit, sizes, heads, outputs[block], arena).Run();
    }
  });
  outputs.Sum();
}

template <template <typename, typename> class P, template <typename> class Blocks, typename T,
          typename To>
void WithDecay(const LinearChunkArgs& args, const To& to) {
  switch (args.decay) {
    case LinearDecay::kNumber: return OverUnits<T, P<T, NumberDecay<T, 1>>, Blocks<T>>(args, to);
    case LinearDecay::kMomentum: return OverUnits<T, P<T, NumberDecay<T, 2>>, Blocks<T>>(args, to);
    case LinearDecay::kChannels: return OverUnits<T, P<T, ChannelDecay<T>>, Blocks<T>>(args, to);
  }
}

template <template <typename, typename> class P, template <typename> class Blocks, typename To>
void Run(const LinearChunkArgs& args, const To& to) {
  PALIMPSEST_CHECK(args.chunk >= 1 && args.chunk <= kMaxLinearChunk) << "chunk " << args.chunk;
  if (args.starts != nullptr) {
    for (int64_t i = 0; i < args.batch; ++i) {
      const PackedSequence sequence(args, i);
      Run<P, Blocks>(sequence.args(), sequence.Of(to));
    }
    return;
  }
  if (args.dtype == DType::kF64) return WithDecay<P, Blocks, double>(args, to);
  PALIMPSEST_CHECK(args.dtype == DType::kF32) << "needs a float dtype, got " << args.dtype;
  WithDecay<P, Blocks, float>(args, to);
}

// Rows of bf16 as f32, while a kernel runs.
class Widened {
 public:
  explicit Widened(const LinearChunkArgs& a)
      : rows_(a.tokens() * a.heads), key_(rows_ * a.key), value_(rows_ * a.value), args_(a) {
    args_.dtype = DType::kF32;
    for (auto field : {&LinearChunkArgs::q, &LinearChunkArgs::k, &LinearChunkArgs::e})
      args_.*field = field == &LinearChunkArgs::e && a.e == a.k ? args_.k : In(a.*field, key_);
    args_.v = In(a.v, value_);
  }
  const LinearChunkArgs& args() const { return args_; }
  int64_t key_rows() const { return key_; }
  int64_t value_rows() const { return value_; }

  const void* In(const void* rows, int64_t n) {
    if (rows == nullptr) return nullptr;
    float* wide = Take(n);
    const Bf16* from = static_cast<const Bf16*>(rows);
    ParallelFor(n, kGrain, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) wide[i] = static_cast<float>(from[i]);
    });
    return wide;
  }
  // Where to write what Store narrows into `rows`.
  void* Out(void* rows, int64_t n) {
    if (rows == nullptr) return nullptr;
    outs_.push_back({Take(n), static_cast<Bf16*>(rows), n});
    return outs_.back().wide;
  }
  void Store() const {
    for (const Narrowed& out : outs_) {
      ParallelFor(out.size, kGrain, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) out.rows[i] = Bf16(out.wide[i]);
      });
    }
  }

 private:
  static constexpr int64_t kGrain = 1 << 14;
  struct Narrowed {
    float* wide;
    Bf16* rows;
    int64_t size;
  };
  float* Take(int64_t n) {
    held_.push_back(Tensor::Empty({n}, DType::kF32));
    return held_.back().mutable_data<float>();
  }

  std::vector<Tensor> held_;
  std::vector<Narrowed> outs_;
  const int64_t rows_, key_, value_;
  LinearChunkArgs args_;
};

void RunForward(const LinearChunkArgs& args, const LinearChunkOutputs& out) {
  if (args.dtype != DType::kBf16) return Run<Forward, BlockOutputs>(args, out);
  Widened wide(args);
  LinearChunkOutputs to = out;
  to.y = wide.Out(out.y, wide.value_rows());
  Run<Forward, BlockOutputs>(wide.args(), to);
  wide.Store();
}
void RunBackward(const LinearChunkArgs& args, const LinearChunkGradients& grads) {
  if (args.dtype != DType::kBf16) return Run<Backward, BlockGradients>(args, grads);
  Widened wide(args);
  LinearChunkGradients to = grads;
  to.dy = wide.In(grads.dy, wide.value_rows());
  to.dv = wide.Out(grads.dv, wide.value_rows());
  using G = LinearChunkGradients;
  for (auto field : {&G::dq, &G::dk, &G::de}) to.*field = wide.Out(grads.*field, wide.key_rows());
  Run<Backward, BlockGradients>(wide.args(), to);
  wide.Store();
}

PALIMPSEST_REGISTER_KERNEL(linear_chunk, kCpu, RunForward);
PALIMPSEST_REGISTER_KERNEL(linear_chunk_vjp, kCpu, RunBackward);

}  // namespace
}  // namespace palimpsest
