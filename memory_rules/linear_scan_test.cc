#include "memory_rules/linear_scan.h"

#include <string>

#include "core/random.h"
#include "gtest/gtest.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/linalg.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

constexpr int64_t kBatch = 2, kTime = 13, kHeads = 2, kKey = 5, kValue = 3;

Tensor Random(const std::string& name, Shape shape, double mean = 0.0, double scale = 0.5) {
  return Add(RandomNormal(std::move(shape), RandomStream(0, name), DType::kF64, scale), mean);
}

// M_t = keep M - (M e) f^T + S_t, S_t = eta S + w k^T, from the equation; rows M_t x_t, then M and
// S.
Tensors Steps(const LinearUpdate& u, const Tensor& x, Tensor m, Tensor s) {
  const auto at = [](const Tensor& t, int64_t i) { return Slice(t, 1, i, i + 1); };
  const Tensor e = u.erase.Product(), w = u.write.Product();
  Tensors ys;
  for (int64_t t = 0; t < x.dim(1); ++t) {
    s = Add(Mul(Exp(Column(at(u.log_eta, t))), s), MatMul(at(w, t), at(u.key, t), {.a = true}));
    const Tensor erased = MatMul(MatMul(at(e, t), m, {.b = true}), at(u.along, t), {.a = true});
    m = Add(Sub(Mul(Exp(Column(at(u.log_keep, t))), m), erased), s);
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
  for (double log_eta : {-0.5, -30.0}) {
    const LinearUpdate u{.log_keep = gates("keep", -0.4),
                         .log_eta = gates("eta", log_eta),
                         .erase = {rows("e", kKey), gates("erase", 0.5)},
                         .along = rows("f", kKey),
                         .write = {rows("w", kValue), gates("write", 0.5)},
                         .key = rows("k", kKey)};
    const Tensor m = Random("m", {kBatch, kValue, kKey}), s = Random("s", {kBatch, kValue, kKey}),
                 x = rows("x", kKey);
    const Tensors steps = Steps(u, x, m, s);
    const ChunkDecay decay(u);
    const LinearChunk chunk(u, decay, m, s);
    EXPECT_LT(Distance(chunk.Apply(x), steps[0]), 1e-13);
    EXPECT_LT(Distance(chunk.Last(), steps[1]), 1e-13);
    EXPECT_LT(Distance(chunk.LastMomentum(), steps[2]), 1e-13);
    const Tensor before = chunk.ApplyBefore(x);
    EXPECT_LT(Distance(Slice(before, 1, 0, 1), MatMul(Slice(x, 1, 0, 1), m, {.b = true})), 1e-13);
  }
}

// f32 where momentum decays much faster than the memory: the published logarithms lose every digit
// here.
TEST(ChunkDecay, KeepsItsDigitsWhereMomentumIsShort) {
  for (double log_eta : {-0.5, -2.0, -4.0, -20.0}) {
    const LinearUpdate u{.log_keep = Random("keep", {1, 64}, -0.001, 0.0001),
                         .log_eta = Random("eta", {1, 64}, log_eta, 0.1),
                         .write = {},
                         .key = Random("k", {1, 64, 1})};
    LinearUpdate rounded = u;
    for (Tensor* x : {&rounded.log_keep, &rounded.log_eta, &rounded.key})
      *x = Cast(*x, DType::kF32);
    const ChunkDecay exact(u), f32(rounded);
    EXPECT_LT(Distance(f32.after().writes, exact.after().writes), 1e-6) << log_eta;
    EXPECT_LT(Distance(f32.after().momentum, exact.after().momentum), 1e-6) << log_eta;
  }
}

LinearUpdate PublicUpdate(const Tensors& x, bool free_erase) {
  return {.log_keep = x[2],
          .erase = {free_erase ? x[6] : x[0], x[3]},
          .along = x[0],
          .write = {x[1], x[4]},
          .key = x[0]};
}

Tensors PublicInputs() {
  const Shape keys = {kBatch, kTime, kHeads, kKey}, gates = {kBatch, kTime, kHeads};
  return {Random("k", keys),
          Random("v", {kBatch, kTime, kHeads, kValue}),
          Random("keep", gates, -0.4, 0.2),
          Random("erase", gates, 0.5),
          Random("write", gates, 0.5),
          Random("state", {kBatch * kHeads, kValue, kKey}),
          Random("e", keys),
          Random("q", keys)};
}

TEST(LinearScan, IsItsComposition) {
  const Tensors x = PublicInputs();
  for (bool free_erase : {false, true}) {
    const LinearUpdate update = PublicUpdate(x, free_erase);
    ASSERT_TRUE(LinearScanFuses(update));
    const LinearScanResult fused = LinearScan(update, x[7], x[5], 4),
                           composed = ComposedLinearScan(update, x[7], x[5], 4);
    EXPECT_LT(Distance(fused.y, composed.y), 1e-14);
    EXPECT_LT(Distance(fused.state, composed.state), 1e-14);
  }
}

TEST(LinearScan, FirstAndSecondGradient) {
  for (bool free_erase : {false, true}) {
    const Function f = [&](const Tensors& x) -> Tensors {
      const LinearScanResult r = LinearScan(PublicUpdate(x, free_erase), x[7], x[5], 4);
      return {r.y, r.state};
    };
    CheckGradient(f, PublicInputs());
    CheckSecondGradient(f, PublicInputs(), 1e-5);
  }
}

TEST(LinearScan, NoKernelForMomentumOrAnotherPlaceToErase) {
  const Tensors x = PublicInputs();
  LinearUpdate update = PublicUpdate(x, true);
  update.along = x[6];
  EXPECT_FALSE(LinearScanFuses(update));
  update = PublicUpdate(x, true);
  update.log_eta = x[2];
  EXPECT_FALSE(LinearScanFuses(update));
}

}  // namespace
}  // namespace palimpsest
