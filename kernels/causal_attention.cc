#include "kernels/causal_attention.h"

#include <cmath>

#include "core/parallel.h"
#include "kernels/attention_tile.h"

namespace palimpsest {

constinit Kernel<void(const CausalAttentionArgs&)> causal_attention("causal_attention");

namespace attention {
namespace {

// One tile of queries against all of its keys, by the online softmax (Milakov & Gimelshein 2018).
template <typename T>
class QueryTile {
 public:
  using A = Accumulator<T>;

  explicit QueryTile(const CausalAttentionArgs& a)
      : a_(a),
        q_(a.key * kQueries<A>),
        y_(a.value * kQueries<A>),
        logits_(kKeys * kQueries<A>),
        widened_(kKeys * std::max(a.key, a.value)) {}

  void Run(int64_t b, int64_t h, int64_t first) {
    const int64_t count = std::min(kQueries<A>, a_.time - first),
                  kv_head = h / (a_.heads / a_.kv_heads);
    const int64_t position = a_.source - a_.time + first;
    PackColumns(HeadRows<T>(a_.q, b, a_.time, a_.heads, h, a_.key), first, count,
                static_cast<A>(a_.scale), q_.data());
    std::fill_n(y_.data(), a_.value * kQueries<A>, A(0));
    std::fill_n(max_, kQueries<A>, std::numeric_limits<A>::lowest());
    std::fill_n(sum_, kQueries<A>, A(0));
    const HeadRows<T> k(a_.k, b, a_.source, a_.kv_heads, kv_head, a_.key);
    const HeadRows<T> v(a_.v, b, a_.source, a_.kv_heads, kv_head, a_.value);
    const Sight sight(a_, position, position + count);
    sight.ForEachTile(0, a_.source, [&](int64_t key, int64_t keys) {
      A* logits = logits_.data();
      MatMulTile(keys, kQueries<A>, a_.key, Widen(k, key, keys, widened_.data()), q_.data(),
                 kQueries<A>, static_cast<const A*>(nullptr), logits, kQueries<A>);
      sight.Mask(key, keys, logits);
      SoftmaxStep(keys);
      const View<A> values = Widen(v, key, keys, widened_.data());
      MatMulTile(a_.value, kQueries<A>, keys, View<A>{values.data, values.column, values.row},
                 logits, kQueries<A>, keep_, y_.data(), kQueries<A>);
    });
    Finish(b, h, first, count);
  }

 private:
  // Turns the logits into exponentials and brings maxima and sums up to date; `keep_` is what
  // earlier ones shrink by.
  void SoftmaxStep(int64_t keys) {
    for (int64_t lane = 0; lane < kQueries<A>; lane += kLanes<A>) {
      A* logits = logits_.data() + lane;
      const Vec<A> old = Load(max_ + lane);
      Vec<A> max = old;
      for (int64_t j = 0; j < keys; ++j) {
        const Vec<A> x = Load(logits + j * kQueries<A>);
        max = x > max ? x : max;
      }
      const Vec<A> keep = Exp<A>(old - max);
      Vec<A> sum = Load(sum_ + lane) * keep;
      for (int64_t j = 0; j < keys; ++j) {
        const Vec<A> p = Exp<A>(Load(logits + j * kQueries<A>) - max);
        Store(logits + j * kQueries<A>, p);
        sum += p;
      }
      Store(max_ + lane, max), Store(sum_ + lane, sum), Store(keep_ + lane, keep);
    }
  }

  void Finish(int64_t b, int64_t h, int64_t first, int64_t count) {
    A* lse = static_cast<A*>(a_.lse) + (b * a_.heads + h) * a_.time + first;
    for (int64_t i = 0; i < count; ++i) {
      lse[i] = max_[i] + std::log(sum_[i]);
      sum_[i] = A(1) / sum_[i];
    }
    UnpackColumns(y_.data(), sum_, first, count,
                  HeadRows<T>(a_.y, b, a_.time, a_.heads, h, a_.value));
  }

  const CausalAttentionArgs& a_;
  Buffer<A> q_, y_, logits_, widened_;
  alignas(64) A max_[kQueries<A>], sum_[kQueries<A>], keep_[kQueries<A>];
};

void ForwardCpu(const CausalAttentionArgs& a) {
  DispatchFloat(a.dtype, [&]<typename T>() {
    constexpr int64_t kQueriesOfTile = kQueries<Accumulator<T>>;
    const int64_t heads = a.batch * a.heads, tiles = (a.time + kQueriesOfTile - 1) / kQueriesOfTile;
    ParallelFor(heads * tiles, 1, [&](int64_t begin, int64_t end) {
      QueryTile<T> tile(a);
      for (int64_t i = begin; i < end; ++i) {
        // The last queries, which see most, first: threads then end together.
        const int64_t head = i % heads, first = (tiles - 1 - i / heads) * kQueriesOfTile;
        tile.Run(head / a.heads, head % a.heads, first);
      }
    });
  });
}

PALIMPSEST_REGISTER_KERNEL(causal_attention, kCpu, ForwardCpu);

}  // namespace
}  // namespace attention
}  // namespace palimpsest
