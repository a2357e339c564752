#include "kernels/causal_attention_vjp.h"

#include <algorithm>
#include <vector>

#include "core/parallel.h"
#include "core/tensor.h"
#include "kernels/attention_tile.h"

namespace palimpsest {

constinit Kernel<void(const CausalAttentionVjpArgs&)> causal_attention_vjp("causal_attention_vjp");

namespace attention {
namespace {

// The work is cut into spans of keys, for enough parts; each gives dq a summand.
constexpr int64_t kParts = 16, kSpanAtLeast = 256;

int64_t Spans(const CausalAttentionArgs& a) {
  const int64_t heads = std::max<int64_t>(a.batch * a.kv_heads, 1);
  return std::clamp<int64_t>(a.source / kSpanAtLeast, 1, (kParts + heads - 1) / heads);
}

template <typename A>
int64_t Tiles(const CausalAttentionArgs& a) {
  return (a.time + kQueries<A> - 1) / kQueries<A>;
}

// The summands of dq, columns of tiles: [span, batch, heads, tile, key, kQueries].
template <typename A>
struct QueryGradients {
  explicit QueryGradients(const CausalAttentionArgs& a)
      : tile(a.key * kQueries<A>),
        head(Tiles<A>(a) * tile),
        span(a.batch * a.heads * head),
        memory(Tensor::Empty({Spans(a), span}, kDTypeOf<A>)),
        sums(memory.mutable_data<A>()) {}
  int64_t tile, head, span;
  Tensor memory;
  A* sums;
};

// One head of k and v on a span of keys, with all of the queries that look at them (Dao et al.
// 2022):
//   P = exp(S - lse), dV = P^T dY, dS = P (dY V^T - sum(dY Y)), dK = dS^T Q, dQ = dS K
template <typename T>
class KeySpan {
 public:
  using A = Accumulator<T>;

  KeySpan(const CausalAttentionVjpArgs& args, QueryGradients<A>& dq)
      : args_(args),
        a_(args.forward),
        key_(RoundToLanes<A>(a_.key)),
        value_(RoundToLanes<A>(a_.value)),
        q_columns_(a_.key * kQueries<A>),
        dy_columns_(a_.value * kQueries<A>),
        q_rows_(key_ * kQueries<A>),
        dy_rows_(value_ * kQueries<A>),
        p_(kKeys * kQueries<A>),
        ds_(kKeys * kQueries<A>),
        k_widened_(kKeys * a_.key),
        v_widened_(kKeys * a_.value),
        one_(std::max({kQueries<A>, key_, value_})),
        dq_(dq) {
    std::fill_n(one_.data(), std::max({kQueries<A>, key_, value_}), A(1));
  }

  void Run(int64_t b, int64_t kv_head, int64_t span) {
    const int64_t spans = Spans(a_), group = a_.heads / a_.kv_heads;
    from_ = a_.source * span / spans, to_ = a_.source * (span + 1) / spans;
    dk_.assign((to_ - from_) * key_, A(0));
    dv_.assign((to_ - from_) * value_, A(0));
    for (int64_t h = kv_head * group; h < (kv_head + 1) * group; ++h) {
      for (int64_t first = 0; first < a_.time; first += kQueries<A>) {
        A* dq = dq_.sums + span * dq_.span + (b * a_.heads + h) * dq_.head +
                first / kQueries<A> * dq_.tile;
        QueryTile(b, h, kv_head, first, dq);
      }
    }
    WriteRows(dk_, key_, HeadRows<T>(args_.dk, b, a_.source, a_.kv_heads, kv_head, a_.key));
    WriteRows(dv_, value_, HeadRows<T>(args_.dv, b, a_.source, a_.kv_heads, kv_head, a_.value));
  }

 private:
  void QueryTile(int64_t b, int64_t h, int64_t kv_head, int64_t first, A* dq) {
    const int64_t count = std::min(kQueries<A>, a_.time - first),
                  position = a_.source - a_.time + first;
    const Sight sight(a_, position, position + count);
    std::fill_n(dq, dq_.tile, A(0));
    bool packed = false;
    const HeadRows<T> k(a_.k, b, a_.source, a_.kv_heads, kv_head, a_.key);
    const HeadRows<T> v(a_.v, b, a_.source, a_.kv_heads, kv_head, a_.value);
    sight.ForEachTile(from_, to_, [&](int64_t key, int64_t keys) {
      if (!packed) PackQueries(b, h, first, count);
      packed = true;
      const View<A> k_tile = Widen(k, key, keys, k_widened_.data());
      const View<A> v_tile = Widen(v, key, keys, v_widened_.data());
      LogitGradients(sight, key, keys, k_tile, v_tile);
      AddTransposed(p_, keys, count, dy_rows_, value_, dv_.data() + (key - from_) * value_);
      AddTransposed(ds_, keys, count, q_rows_, key_, dk_.data() + (key - from_) * key_);
      MatMulTile(a_.key, kQueries<A>, keys, View<A>{k_tile.data, k_tile.column, k_tile.row},
                 ds_.data(), kQueries<A>, one_.data(), dq, kQueries<A>);
    });
  }

  // q comes scaled: so do the logits, and dk.
  void PackQueries(int64_t b, int64_t h, int64_t first, int64_t count) {
    const HeadRows<T> q(a_.q, b, a_.time, a_.heads, h, a_.key),
        y(args_.y, b, a_.time, a_.heads, h, a_.value);
    const HeadRows<T> dy(args_.dy, b, a_.time, a_.heads, h, a_.value);
    const A scale = static_cast<A>(a_.scale);
    PackColumns(q, first, count, scale, q_columns_.data());
    PackColumns(dy, first, count, A(1), dy_columns_.data());
    const A* lse = static_cast<const A*>(args_.lse) + (b * a_.heads + h) * a_.time + first;
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t d = 0; d < a_.key; ++d)
        q_rows_.data()[i * key_ + d] = scale * static_cast<A>(q(first + i)[d]);
      A sum = 0;
      for (int64_t d = 0; d < a_.value; ++d) {
        const A x = static_cast<A>(dy(first + i)[d]);
        dy_rows_.data()[i * value_ + d] = x;
        sum += x * static_cast<A>(y(first + i)[d]);
      }
      mean_[i] = sum;
      lse_[i] = lse[i];
    }
  }

  // P and dS of the tile, transposed.
  void LogitGradients(const Sight& sight, int64_t key, int64_t keys, View<A> k, View<A> v) {
    A *p = p_.data(), *ds = ds_.data();
    const A* none = nullptr;
    MatMulTile(keys, kQueries<A>, a_.key, k, q_columns_.data(), kQueries<A>, none, p, kQueries<A>);
    MatMulTile(keys, kQueries<A>, a_.value, v, dy_columns_.data(), kQueries<A>, none, ds,
               kQueries<A>);
    sight.Mask(key, keys, p);
    for (int64_t lane = 0; lane < kQueries<A>; lane += kLanes<A>) {
      const Vec<A> lse = Load(lse_ + lane), mean = Load(mean_ + lane);
      for (int64_t at = lane; at < keys * kQueries<A>; at += kQueries<A>) {
        const Vec<A> probability = Exp<A>(Load(p + at) - lse);
        Store(p + at, probability);
        Store(ds + at, probability * (Load(ds + at) - mean));
      }
    }
  }

  // sum += x rows, for x [keys, kQueries] and rows [count, width].
  void AddTransposed(const Buffer<A>& x, int64_t keys, int64_t count, const Buffer<A>& rows,
                     int64_t width, A* sum) {
    MatMulTile(keys, width, count, View<A>{x.data(), kQueries<A>, 1}, rows.data(), width,
               one_.data(), sum, width);
  }

  void WriteRows(const std::vector<A>& sum, int64_t width, const HeadRows<T>& rows) {
    for (int64_t i = from_; i < to_; ++i) {
      const A* row = sum.data() + (i - from_) * width;
      std::transform(row, row + rows.dim, rows(i), [](A x) { return static_cast<T>(x); });
    }
  }

  const CausalAttentionVjpArgs& args_;
  const CausalAttentionArgs& a_;
  const int64_t key_, value_;  // Rounded up to whole vectors.
  int64_t from_ = 0, to_ = 0;
  Buffer<A> q_columns_, dy_columns_, q_rows_, dy_rows_, p_, ds_, k_widened_, v_widened_, one_;
  std::vector<A> dk_, dv_;
  QueryGradients<A>& dq_;
  alignas(64) A lse_[kQueries<A>] = {}, mean_[kQueries<A>] = {};
};

// dq from its summands, in the order of the spans.
template <typename T, typename A>
void SumQueryGradients(const CausalAttentionVjpArgs& args, QueryGradients<A>& dq) {
  const CausalAttentionArgs& a = args.forward;
  const int64_t tiles = Tiles<A>(a);
  A scales[kQueries<A>];
  std::fill_n(scales, kQueries<A>, static_cast<A>(a.scale));
  ParallelFor(a.batch * a.heads * tiles, 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t head = i / tiles, first = i % tiles * kQueries<A>;
      A* sum = dq.sums + i * dq.tile;
      for (int64_t span = 1; span < Spans(a); ++span) {
        for (int64_t j = 0; j < dq.tile; ++j) sum[j] += sum[span * dq.span + j];
      }
      UnpackColumns(sum, scales, first, std::min(kQueries<A>, a.time - first),
                    HeadRows<T>(args.dq, head / a.heads, a.time, a.heads, head % a.heads, a.key));
    }
  });
}

void VjpCpu(const CausalAttentionVjpArgs& args) {
  const CausalAttentionArgs& a = args.forward;
  DispatchFloat(a.dtype, [&]<typename T>() {
    QueryGradients<Accumulator<T>> dq(a);
    const int64_t heads = a.batch * a.kv_heads;
    ParallelFor(heads * Spans(a), 1, [&](int64_t begin, int64_t end) {
      KeySpan<T> span(args, dq);
      for (int64_t i = begin; i < end; ++i)
        span.Run(i % heads / a.kv_heads, i % a.kv_heads, i / heads);
    });
    SumQueryGradients<T>(args, dq);
  });
}

PALIMPSEST_REGISTER_KERNEL(causal_attention_vjp, kCpu, VjpCpu);

}  // namespace
}  // namespace attention
}  // namespace palimpsest
