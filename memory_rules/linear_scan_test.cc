#include "memory_rules/linear_scan.h"

#include <cmath>
#include <string>

#include "core/random.h"
#include "gtest/gtest.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/linalg.h"
#include "ops/reduce.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

constexpr int64_t kBatch = 2, kTime = 13, kHeads = 2, kKey = 5, kValue = 3;

Tensor Random(const std::string& name, Shape shape, double mean = 0.0, double scale = 0.5) {
  return Add(RandomNormal(std::move(shape), RandomStream(0, name), DType::kF64, scale), mean);
}

// The recurrence from the equation; rows M_t x_t, then M and S.
Tensors Steps(const LinearUpdate& u, const Tensor& x, Tensor m, Tensor s) {
  const auto at = [](const Tensor& t, int64_t i) { return Slice(t, 1, i, i + 1); };
  const Tensor e = u.erase.Product(), w = u.write.Product();
  Tensors ys;
  for (int64_t t = 0; t < x.dim(1); ++t) {
    const Tensor erased = MatMul(at(e, t), m, {.b = true}), key = at(u.key, t);
    const bool with_write = u.erasure == Erasure::kWithWrite;
    const Tensor written = with_write ? Sub(at(w, t), erased) : at(w, t);
    s = Add(Mul(KeepFactor(at(u.log_eta, t)), s), MatMul(written, key, {.a = true}));
    m = Add(Mul(KeepFactor(at(u.log_keep, t)), m), Mul(Column(at(u.beta, t)), s));
    if (!with_write) m = Sub(m, MatMul(erased, key, {.a = true}));
    ys.push_back(MatMul(at(x, t), m, {.b = true}));
  }
  return {Concat(ys, 1), m, s};
}

TEST(LinearChunk, IsTheStepsForAnyCoefficients) {
  const auto rows = [](const std::string& name, int64_t dim) {
    return Random(name, {kBatch, kTime, dim});
  };
  const auto gates = [](const std::string& name, double mean) {
    return Random(name, {kBatch, kTime}, mean, 0.2);
  };
  const Tensor m = Random("m", {kBatch, kValue, kKey}), s = Random("s", {kBatch, kValue, kKey}),
               x = rows("x", kKey);
  for (Erasure erasure : {Erasure::kWithWrite, Erasure::kPastMomentum}) {
    for (const Tensor& log_keep :
         {gates("keep", -0.4), Random("keeps", {kBatch, kTime, kKey}, -0.4, 0.2)}) {
      for (double log_eta : {-0.5, -30.0}) {
        const LinearUpdate u{.log_keep = log_keep,
                             .log_eta = gates("eta", log_eta),
                             .beta = gates("beta", 0.5),
                             .erase = {rows("e", kKey), gates("erase", 0.5)},
                             .erasure = erasure,
                             .write = {rows("w", kValue), gates("write", 0.5)},
                             .key = rows("k", kKey)};
        const Tensors steps = Steps(u, x, m, s);
        const ChunkDecay decay(u);
        const LinearChunk chunk(u, decay, m, s);
        EXPECT_LT(Distance(chunk.Apply(x), steps[0]), 1e-13);
        EXPECT_LT(Distance(chunk.Last(), steps[1]), 1e-13);
        EXPECT_LT(Distance(chunk.LastMomentum(), steps[2]), 1e-13);
        const Tensor before = chunk.ApplyBefore(x);
        EXPECT_LT(Distance(Slice(before, 1, 0, 1), MatMul(Slice(x, 1, 0, 1), m, {.b = true})),
                  1e-13);
      }
    }
  }
}

// Each token writes the pairs of a window.
TEST(LinearChunk, SpreadsItsWrites) {
  const int64_t rows = kTime + 2;
  const Tensor key = Random("k", {kBatch, rows, kKey}), write = Random("w", {kBatch, rows, kValue}),
               spread = Random("spread", {kBatch, kTime, rows}),
               m = Random("m", {kBatch, kValue, kKey}), s = Mul(m, 0.5),
               x = Random("x", {kBatch, kTime, kKey});
  const LinearUpdate u{.log_keep = Random("keep", {kBatch, kTime}, -0.4, 0.2),
                       .log_eta = Random("eta", {kBatch, kTime}, -0.4, 0.2),
                       .write = {write},
                       .key = key,
                       .spread = spread};
  Tensor m_t = m, s_t = s;
  Tensors ys;
  for (int64_t t = 0; t < kTime; ++t) {
    const auto at = [&](const Tensor& g) { return Slice(g, 1, t, t + 1); };
    const Tensor weights = Reshape(at(spread), {kBatch, rows, 1});
    s_t = Add(Mul(KeepFactor(at(u.log_eta)), s_t), MatMul(Mul(weights, write), key, {.a = true}));
    m_t = Add(Mul(KeepFactor(at(u.log_keep)), m_t), s_t);
    ys.push_back(MatMul(at(x), m_t, {.b = true}));
  }
  const ChunkDecay decay(u);
  const LinearChunk chunk(u, decay, m, s);
  EXPECT_LT(Distance(chunk.Apply(x), Concat(ys, 1)), 1e-13);
  EXPECT_LT(Distance(chunk.Last(), m_t), 1e-13);
  EXPECT_LT(Distance(chunk.LastMomentum(), s_t), 1e-13);
}

// The table of writes as published (Huang et al. 2026, "MDN"): differences of sums of exponentials.
Tensor PublishedWrites(const LinearUpdate& u) {
  const int64_t n = u.key.dim(1);
  const Tensor log_m = CumSum(u.log_eta, 1), log_a = CumSum(u.log_keep, 1);
  const Tensor log_c = LogCumSumExp(Sub(Add(Log(u.beta), log_m), log_a), 1);
  Tensor table = Tensor::Full({1, n, n}, 0.0, log_c.dtype());
  const auto at = [](const Tensor& x, int64_t i) {
    return x.dtype() == DType::kF64 ? x.data<double>()[i] : double{x.data<float>()[i]};
  };
  for (int64_t t = 0; t < n; ++t) {
    for (int64_t j = 0; j <= t; ++j) {
      const double scale = at(log_a, t) + at(log_c, t) - at(log_m, j);
      const double before = j == 0 ? 0.0 : std::exp(at(log_c, j - 1) - at(log_c, t));
      const double entry = std::exp(scale) * (1.0 - before);
      if (table.dtype() == DType::kF64) {
        table.mutable_data<double>()[t * n + j] = entry;
      } else {
        table.mutable_data<float>()[t * n + j] = static_cast<float>(entry);
      }
    }
  }
  return table;
}

// Where momentum decays much faster than the memory, products and sums keep their digits in f32,
// and the published logarithms lose every one.
TEST(ChunkDecay, KeepsItsDigitsWhereMomentumIsShort) {
  for (double log_eta : {-0.01, -0.5, -2.0, -4.0, -20.0}) {
    const LinearUpdate u{.log_keep = Random("keep", {1, 64}, -0.001, 0.0001),
                         .log_eta = Mul(Random("eta", {1, 64}, 1.0, 0.1), log_eta),
                         .beta = Random("beta", {1, 64}, 0.3, 0.05),
                         .write = {},
                         .key = Random("k", {1, 64, 1})};
    LinearUpdate rounded = u;
    for (Tensor* x : {&rounded.log_keep, &rounded.log_eta, &rounded.beta, &rounded.key})
      *x = Cast(*x, DType::kF32);
    const ChunkDecay exact(u), f32(rounded);
    EXPECT_LT(Distance(f32.after().writes, exact.after().writes), 1e-6) << log_eta;
    EXPECT_LT(Distance(f32.after().momentum, exact.after().momentum), 1e-6) << log_eta;
    if (log_eta > -0.1) {  // Both hold.
      EXPECT_LT(Distance(PublishedWrites(u), exact.after().writes), 1e-12);
      EXPECT_LT(Distance(PublishedWrites(rounded), exact.after().writes), 1e-4);
    } else {
      EXPECT_FALSE(Distance(PublishedWrites(rounded), exact.after().writes) < 0.1) << log_eta;
    }
  }
}

enum class Keep { kNumber, kChannels, kMomentum };
struct FusedCase {
  Keep keep;
  bool free_erase;
};

class LinearScanTest : public testing::TestWithParam<FusedCase> {
 protected:
  static LinearUpdate Update(const Tensors& x) {
    const bool momentum = GetParam().keep == Keep::kMomentum;
    return {.log_keep = x[2],
            .log_eta = momentum ? x[9] : Tensor(),
            .beta = momentum ? x[10] : Tensor(),
            .erase = {GetParam().free_erase ? x[6] : x[0], x[3]},
            .write = {x[1], x[4]},
            .key = x[0]};
  }
  static State StateOf(const Tensors& x) {
    return GetParam().keep == Keep::kMomentum ? State{x[5], x[8]} : State{x[5]};
  }
  static Tensors Inputs() {
    const Shape keys = {kBatch, kTime, kHeads, kKey}, gates = {kBatch, kTime, kHeads},
                state = {kBatch * kHeads, kValue, kKey};
    Tensors x = {Random("k", keys),
                 Random("v", {kBatch, kTime, kHeads, kValue}),
                 Random("keep", GetParam().keep == Keep::kChannels ? keys : gates, -0.4, 0.2),
                 Random("erase", gates, 0.5),
                 Random("write", gates, 0.5),
                 Random("state", state),
                 Random("e", keys),
                 Random("q", keys)};
    if (GetParam().keep == Keep::kMomentum) {
      x.push_back(Random("momentum", state));
      x.push_back(Random("eta", gates, -0.6, 0.2));
      x.push_back(Random("beta", gates, 0.5));
    }
    return x;
  }
  static Tensors Flat(ScanResult r) {
    Tensors all = std::move(r.state);
    all.push_back(r.y);
    return all;
  }
};

TEST_P(LinearScanTest, IsItsComposition) {
  const Tensors x = Inputs();
  const LinearUpdate update = Update(x);
  ASSERT_TRUE(LinearScanFuses(update));
  const Tensors fused = Flat(LinearScan(update, x[7], StateOf(x), 4)),
                composed = Flat(ComposedLinearScan(update, x[7], StateOf(x), 4));
  ASSERT_EQ(fused.size(), composed.size());
  for (size_t i = 0; i < fused.size(); ++i) EXPECT_LT(Distance(fused[i], composed[i]), 1e-14) << i;
}

TEST_P(LinearScanTest, FirstAndSecondGradient) {
  const Function f = [&](const Tensors& x) {
    return Flat(LinearScan(Update(x), x[7], StateOf(x), 4));
  };
  CheckGradient(f, Inputs());
  CheckSecondGradient(f, Inputs(), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Kinds, LinearScanTest,
                         testing::Values(FusedCase{Keep::kNumber, false},
                                         FusedCase{Keep::kNumber, true},
                                         FusedCase{Keep::kChannels, true},
                                         FusedCase{Keep::kMomentum, false},
                                         FusedCase{Keep::kMomentum, true}));

}  // namespace
}  // namespace palimpsest
