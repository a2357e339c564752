// `palimpsest optim`: an optimizer over gradients from a file, as a script in another language
// would compare it with its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/random.h"
#include "ops/elementwise.h"
#include "ops/linalg.h"
#include "ops/reduce.h"
#include "optim/optimizers.h"
#include "optim/testing.h"
#include "tests/gradcheck.h"
#include "tests/program_testing.h"
#include "train/file_testing.h"
#include "train/safetensors.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

Tensor Random(const Shape& shape, uint64_t seed, DType dtype = DType::kF64) {
  return RandomNormal(shape, RandomStream(seed, "optim_command_test"), dtype);
}

class OptimCommandTest : public testing::Test {
 protected:
  ProcessResult Run(const NamedTensors& in, const std::string& optimizer,
                    std::vector<std::string> more = {}) const {
    EXPECT_TRUE(WriteSafetensors(in_, {in, {}}).ok());
    more.insert(more.begin(),
                {"optim", "--optimizer=" + optimizer, "--in=" + in_, "--out=" + out_});
    return Palimpsest(more);
  }
  NamedTensors Weights(const NamedTensors& in, const std::string& optimizer,
                       const std::vector<std::string>& more = {}) const {
    const ProcessResult r = Run(in, optimizer, more);
    EXPECT_EQ(r.code, 0) << r.err;
    const auto file = ReadSafetensors(out_);
    EXPECT_TRUE(file.ok()) << file.status();
    return file.ok() ? file->tensors : NamedTensors();
  }
  void ExpectError(const NamedTensors& in, const std::string& optimizer, const std::string& what,
                   const std::vector<std::string>& more = {}) const {
    const ProcessResult r = Run(in, optimizer, more);
    EXPECT_EQ(r.code, 1);
    EXPECT_THAT(r.err, HasSubstr(what));
    EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1) << r.err;
    EXPECT_FALSE(ReadSafetensors(out_).ok());
  }

  const std::string dir_ = ScratchDir(), in_ = dir_ + "/in.safetensors",
                    out_ = dir_ + "/out.safetensors";
};

// p - lr (m corrected) / (sqrt(v corrected) + eps), after decay: three steps of one number by hand.
TEST_F(OptimCommandTest, AdamWIsItsEquations) {
  const double lr = 0.1, decay = 0.5, eps = 1e-8, gs[] = {0.3, -0.2, 1.5};
  double p = 2, m = 0, v = 0;
  NamedTensors in = {{"w", Tensor::FromVector({1, 1}, {p}, DType::kF64)}};
  std::vector<double> want;
  for (int t = 1; t <= 3; ++t) {
    const double g = gs[t - 1];
    in["g." + std::to_string(t)] = Tensor::FromVector({1, 1}, {g}, DType::kF64);
    m = 0.9 * m + 0.1 * g, v = 0.999 * v + 0.001 * g * g;
    p *= 1 - lr * decay;
    p -= lr * (m / (1 - std::pow(0.9, t))) / (std::sqrt(v / (1 - std::pow(0.999, t))) + eps);
    want.push_back(p);
  }
  const NamedTensors got = Weights(in, "adamw", {"lr=0.1", "weight_decay=0.5"});
  ASSERT_EQ(got.size(), 3u);
  for (int t = 1; t <= 3; ++t)
    EXPECT_NEAR(got.at("w." + std::to_string(t)).Item(), want[t - 1], 1e-12);
}

// Names are the parameters' paths: groups match them. Each keeps its dtype.
TEST_F(OptimCommandTest, SeveralParametersAreOneOptimizer) {
  const NamedTensors params = {{"a.weight", Random({4, 3}, 1)},
                               {"embedding.weight", Random({5, 2}, 2, DType::kF32)}};
  NamedTensors in, grads[2] = {RandomTensors(params, 3), RandomTensors(params, 4)};
  for (const auto& [name, w] : params) {
    in[name + "/w"] = w;
    for (int t = 1; t <= 2; ++t) in[name + "/g." + std::to_string(t)] = grads[t - 1].at(name);
  }
  const std::string config =
      "name: 'muon' lr: 0.5 clip_norm: 1 group { match: 'embedding.*' lr_factor: 3 }";
  const auto optimizer = MakeOptimizer(config, params);
  UpdateResult at{.params = params, .state = optimizer->Init(params)};
  const NamedTensors got =
      Weights(in, "muon", {"lr=0.5", "clip_norm=1", "group={match: 'embedding.*' lr_factor: 3}"});
  ASSERT_EQ(got.size(), 4u);
  for (int t = 1; t <= 2; ++t) {
    at = optimizer->Update(at.params, grads[t - 1], at.state, t - 1);
    for (const auto& [name, w] : at.params) {
      const Tensor& x = got.at(name + "/w." + std::to_string(t));
      EXPECT_EQ(x.dtype(), w.dtype());
      EXPECT_EQ(x.ToVector(), w.ToVector()) << name << " " << t;
    }
  }
}

TEST_F(OptimCommandTest, AloneListsWhatThereIs) {
  const ProcessResult r = Palimpsest({"optim"});
  EXPECT_EQ(r.code, 0) << r.err;
  for (const auto& [name, spec] : OptimizerSpecs()) {
    EXPECT_THAT("\n" + r.out, HasSubstr("\n" + name + " "));
    EXPECT_THAT(r.out, HasSubstr(spec.equation));
  }
}

TEST_F(OptimCommandTest, InputsAndErrorsMakeTheGradient) {
  const Tensor w = Random({3, 4}, 1), x = Random({7, 4}, 2), d = Random({7, 3}, 3);
  const NamedTensors got = Weights({{"w", w}, {"x.1", x}, {"d.1", d}}, "sgd", {"lr=1"});
  EXPECT_LT(Distance(got.at("w.1"), Sub(w, MatMul(d, x, {.a = true}))), 1e-14);
}

// M <- beta M + eta (d^T k - M k^T k / N), k the inputs at unit length, of errors that carry their
// 1 / N already: two steps, product by product.
TEST_F(OptimCommandTest, InputsAreTheKeysOfDeltaMomentum) {
  const double beta = 0.9, eta = 0.4, lr = 0.1, tokens = 7;
  NamedTensors in = {{"w", Random({3, 4}, 1)}};
  Tensor m = Tensor::Full({3, 4}, 0.0, DType::kF64), w = in.at("w");
  std::vector<Tensor> want;
  for (int t = 1; t <= 2; ++t) {
    const std::string step = std::to_string(t);
    const Tensor x = in["x." + step] = Random({7, 4}, 10 + t);
    const Tensor d = in["d." + step] = Random({7, 3}, 20 + t);
    const Tensor k = Div(x, Sqrt(Sum(Mul(x, x), {1}, /*keep=*/true)));
    const Tensor read = MatMul(m, MatMul(k, k, {.a = true}));
    m = Add(Mul(m, beta), Mul(Sub(MatMul(d, k, {.a = true}), Mul(read, 1 / tokens)), eta));
    want.push_back(w = Sub(w, Mul(m, lr)));
  }
  const NamedTensors got = Weights(in, "delta_sgd", {"lr=0.1", "momentum=0.9", "eta=0.4"});
  ASSERT_EQ(got.size(), 2u);
  EXPECT_LT(Distance(got.at("w.1"), want[0]), 1e-9);
  EXPECT_LT(Distance(got.at("w.2"), want[1]), 1e-9);
}

TEST_F(OptimCommandTest, SaysWhatIsWrongAndWritesNothing) {
  const Tensor w = Random({3, 4}, 1), x = Random({7, 4}, 2), d = Random({7, 3}, 3);
  NamedTensors good = {{"w", w}, {"g.1", w}, {"g.2", w}, {"g.3", w}}, bad = good;
  bad.erase("g.2");
  ExpectError(bad, "sgd", "has 3 steps, but no tensor g.2, nor x.2 and d.2");
  bad = good, bad.erase("w");
  ExpectError(bad, "sgd", "has no tensor w");
  ExpectError({{"w", w}}, "sgd", "has no steps");
  bad = good, bad["g.2"] = d;
  ExpectError(bad, "sgd", "tensor g.2 is f64 [7,3], not f64 [3,4]");
  bad = good, bad["g.2"] = Cast(w, DType::kF32);
  ExpectError(bad, "sgd", "tensor g.2 is f32 [3,4], not f64 [3,4]");
  bad = good, bad["g.0"] = w;
  ExpectError(bad, "sgd", "tensor g.0: steps count from 1");
  for (const char* name : {"g", "h.1", "g.01", "g.1x", "state"}) {
    bad = good, bad[name] = w;
    ExpectError(bad, "sgd", std::string("tensor ") + name + " is none of w, g.<t>");
  }
  bad = good, bad["a/w"] = w;
  ExpectError(bad, "sgd", "beside those of a/");
  bad = good, bad["x.2"] = x;
  ExpectError(bad, "sgd", "has tensor x.2, but no tensor d.2");
  bad["d.2"] = x;
  ExpectError(bad, "sgd", "tensor d.2 is f64 [7,4], not f64 [7,3]");
  bad = good, bad["g.2"] = Log(Mul(w, 0.0));
  ExpectError(bad, "sgd", "step 2: the gradient of w (g.2) has values that are not finite");
  ExpectError(good, "delta_sgd",
              "step 1: the optimizer learns w from activations, and the file has no x.1 and d.1");
  bad = {{"a/w", w}, {"a/x.1", x}, {"a/d.1", d}, {"b/w", w}, {"b/x.1", Random({6, 4}, 1)}};
  bad["b/d.1"] = d;
  ExpectError(bad, "sgd", "tensor b/x.1 is f64 [6,4], not f64 [7,4]");
  ExpectError(good, "admw", "'admw'");
  ExpectError(good, "admw", "adamw");
  ExpectError(good, "sgd", "eps", {"eps=1"});
  ExpectError(good, "sgd", "did you mean 'lr'?", {"lrr=1"});
}

}  // namespace
}  // namespace palimpsest
