// What a level keyed on activations is told of a step, against sums over pairs written down by
// hand, however the backward pass comes by them.
#include "optim/pair_sums_tap.h"

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "core/random.h"
#include "core/tape.h"
#include "gtest/gtest.h"
#include "ops/checkpoint.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/linalg.h"
#include "ops/reduce.h"
#include "optim/optimizer.h"
#include "optim/testing.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

constexpr int64_t kTokens = 6, kIn = 4, kHidden = 5, kOut = 3;

Tensor Normal(Shape shape, const char* name) {
  return RandomNormal(std::move(shape), RandomStream(3, name), DType::kF64);
}

// loss = mean over tokens of sum_j c_j tanh(b tanh(a x))_j^2.
struct Net {
  NamedTensors params = {{"a", Normal({kHidden, kIn}, "a")}, {"b", Normal({kOut, kHidden}, "b")}};

  static Tensor Loss(const Tensor& hidden_in, const NamedTensors& p, double tokens) {
    const Tensor y =
        Tanh(MatMul(Tanh(MatMul(hidden_in, p.at("a"), {.b = true})), p.at("b"), {.b = true}));
    return Mul(Sum(Mul(y, y)), 1.0 / tokens);
  }
};

struct Told {
  std::map<std::string, PairSums> sums;
  NamedTensors grads;
};

using Backward = std::function<NamedTensors(const NamedTensors& params, PairSumsTap& tap)>;

Told Listen(const NamedTensors& params, const std::string& config, double tokens,
            const Backward& backward) {
  const auto optimizer = MakeOptimizer(config, params);
  const NamedTensors state = optimizer->Init(params);
  const auto tap = optimizer->Listen(params, state, 0, tokens);
  PALIMPSEST_CHECK(tap != nullptr) << config;
  NamedTensors grads = backward(params, *tap);
  return {tap->sums(), std::move(grads)};
}

NamedTensors Gradient(const NamedTensors& params, const std::function<Tensor()>& loss) {
  Tape tape;
  tape.Watch(params);
  return tape.Gradient(loss(), params);
}

const char kRaw[] = "name: 'delta_adamw' contraction: GRAM";

// The definition, row by row.
PairSums ByHand(const Tensor& x, const Tensor& d, double tokens) {
  const int64_t n = x.dim(-1), m = d.dim(-1), rows = x.size() / n;
  const std::vector<double> xs = x.ToVector(), ds = d.ToVector();
  std::vector<double> ghat(m * n, 0.0), sigma(n * n, 0.0);
  for (int64_t t = 0; t < rows; ++t) {
    double square = 1e-12;
    for (int64_t j = 0; j < n; ++j) square += xs[t * n + j] * xs[t * n + j];
    const double norm = std::sqrt(square);
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t i = 0; i < m; ++i) ghat[i * n + j] += ds[t * m + i] * xs[t * n + j] / norm;
      for (int64_t i = 0; i < n; ++i)
        sigma[i * n + j] += xs[t * n + i] * xs[t * n + j] / (square * tokens);
    }
  }
  return {Tensor::FromVector({m, n}, ghat, DType::kF64),
          Tensor::FromVector({n, n}, sigma, DType::kF64)};
}

void ExpectNear(const PairSums& got, const PairSums& want) {
  EXPECT_LT(Distance(got.value_key, want.value_key), 1e-13);
  EXPECT_LT(Distance(got.key_key, want.key_key), 1e-13);
}

// x and d of each layer of Net, by tapes that watch what the layers give.
struct Layers {
  Tensor x, d_a, hidden, d_b;
};
Layers Pairs(const Net& net, const Tensor& x) {
  Tape tape(Tape::Lifetime::kPersistent);
  const Tensor za = MatMul(x, net.params.at("a"), {.b = true}).Detach();
  tape.Watch(za);
  const Tensor hidden = Tanh(za), zb = MatMul(hidden, net.params.at("b"), {.b = true});
  const Tensor y = Tanh(zb), loss = Mul(Sum(Mul(y, y)), 1.0 / kTokens);
  const Tensors d = tape.Gradient(loss, Tensors{za, zb});
  return {x, d[0], hidden, d[1]};
}

TEST(PairSumsTap, IsTheSumOverTokens) {
  const Net net;
  const Tensor x = Normal({2, kTokens / 2, kIn}, "x");
  const Layers want = Pairs(net, x);
  const Told told = Listen(net.params, kRaw, kTokens, [&](const NamedTensors& p, PairSumsTap&) {
    return Gradient(p, [&] { return Net::Loss(x, p, kTokens); });
  });
  ExpectNear(told.sums.at("a"), ByHand(want.x, want.d_a, kTokens));
  ExpectNear(told.sums.at("b"), ByHand(want.hidden, want.d_b, kTokens));
  // The gradient is there as well: its squares are averaged.
  EXPECT_GT(Distance(told.grads.at("a"), told.sums.at("a").value_key), 1e-3);
}

// Keys are features of the inputs, brought to unit length.
TEST(PairSumsTap, SumsFeatures) {
  const Net net;
  const Tensor x = Normal({kTokens, kIn}, "x");
  const Layers want = Pairs(net, x);
  const Told told = Listen(
      net.params, "name: 'chain' level { kind: 'delta_momentum' features: CUBE contraction: GRAM }",
      kTokens, [&](const NamedTensors& p, PairSumsTap&) {
        return Gradient(p, [&] { return Net::Loss(x, p, kTokens); });
      });
  const Tensor cube = Mul(x, Mul(x, x));
  ExpectNear(told.sums.at("a"), ByHand(cube, want.d_a, kTokens));
}

// Of each contraction the same: the memory times the sum of k k^T.
TEST(PairSumsTap, ContractionsAgree) {
  const Net net;
  const Tensor x = Normal({kTokens, kIn}, "x"), m = Normal({kHidden, kIn}, "m");
  NamedTensors reads;
  for (const char* contraction : {"GRAM", "DIRECT"}) {
    const auto optimizer =
        MakeOptimizer(std::string("name: 'delta_sgd' contraction: ") + contraction, net.params);
    NamedTensors state = optimizer->Init(net.params);
    state.at("a.m") = m.WithShape({1, kHidden, kIn});
    const auto tap = optimizer->Listen(net.params, state, 0, kTokens);
    Gradient(net.params, [&] { return Net::Loss(x, net.params, kTokens); });
    const PairSums& sums = tap->sums().at("a");
    EXPECT_EQ(static_cast<bool>(sums.key_key), std::string(contraction) == "GRAM");
    reads[contraction] = sums.key_key ? MatMul(m, sums.key_key) : sums.read_key;
  }
  EXPECT_LT(Distance(reads.at("GRAM"), reads.at("DIRECT")), 1e-14);
}

TEST(PairSumsTap, AddsUpOverAccumulatedParts) {
  const Net net;
  const Tensor x = Normal({kTokens, kIn}, "x");
  const auto whole = [&](const NamedTensors& p, PairSumsTap&) {
    return Gradient(p, [&] { return Net::Loss(x, p, kTokens); });
  };
  const auto parts = [&](const NamedTensors& p, PairSumsTap&) {
    NamedTensors sum;
    for (int64_t i = 0; i < 3; ++i) {
      for (const auto& [name, g] :
           Gradient(p, [&] { return Net::Loss(x.Rows(2 * i, 2 * i + 2), p, kTokens); })) {
        sum[name] = sum[name] ? Add(sum[name], g) : g;
      }
    }
    return sum;
  };
  for (const char* config : {kRaw, "name: 'delta_sgd' contraction: DIRECT", "name: 'dgd'"}) {
    const Told a = Listen(net.params, config, kTokens, whole),
               b = Listen(net.params, config, kTokens, parts);
    for (const auto& [path, sums] : a.sums) {
      EXPECT_LT(Distance(sums.value_key, b.sums.at(path).value_key), 1e-14) << config << path;
      const auto& other = b.sums.at(path);
      const Tensor &read = sums.key_key ? sums.key_key : sums.read_key,
                   &others = sums.key_key ? other.key_key : other.read_key;
      EXPECT_LT(Distance(read, others), 1e-14) << config << path;
    }
  }
}

// A recomputed forward pass shows each pair once, as its backward pass does.
TEST(PairSumsTap, SeesWhatCheckpointsRecomputeOnce) {
  const Net net;
  const Tensor x = Normal({kTokens, kIn}, "x");
  const auto loss = [&](const NamedTensors& p, bool checkpoint) {
    const auto layer = [&](const Tensors& in) -> Tensors {
      return {Tanh(MatMul(in[0], p.at("a"), {.b = true}))};
    };
    const Tensor hidden = checkpoint ? Checkpoint(layer, {x})[0] : layer({x})[0];
    const Tensor y = Tanh(MatMul(hidden, p.at("b"), {.b = true}));
    return Mul(Sum(Mul(y, y)), 1.0 / kTokens);
  };
  std::vector<Told> told;
  for (bool checkpoint : {false, true}) {
    told.push_back(Listen(net.params, kRaw, kTokens, [&](const NamedTensors& p, PairSumsTap&) {
      return Gradient(p, [&] { return loss(p, checkpoint); });
    }));
  }
  for (const char* path : {"a", "b"}) {
    ExpectNear(told[0].sums.at(path), told[1].sums.at(path));
    EXPECT_LT(Distance(told[0].grads.at(path), told[1].grads.at(path)), 1e-15);
  }
}

// A weight used by two layers: the sum over both, with the tokens of the step as the count; and by
// two layers of the same input, both again.
TEST(PairSumsTap, SumsOverTheUsesOfATiedWeight) {
  const NamedTensors params = {{"w", Normal({kIn, kIn}, "w")}};
  const Tensor x = Normal({kTokens, kIn}, "x");
  for (bool same_input : {false, true}) {
    Tensor first, second, d_first, d_second;
    {
      const Tensor& w = params.at("w");
      Tape tape(Tape::Lifetime::kPersistent);
      first = x;
      const Tensor z = MatMul(x, w, {.b = true}).Detach();
      tape.Watch(z);
      second = same_input ? x : Tanh(z);
      const Tensor z2 = same_input ? Mul(z.Detach(), 1.0) : MatMul(second, w, {.b = true});
      if (same_input) tape.Watch(z2);
      const Tensor loss = same_input ? Sum(Mul(Tanh(z), Mul(z2, z2))) : Sum(Mul(z2, Tanh(z2)));
      const Tensors d = tape.Gradient(loss, Tensors{z, z2});
      d_first = d[0], d_second = d[1];
    }
    const Told told = Listen(params, kRaw, kTokens, [&](const NamedTensors& p, PairSumsTap&) {
      return Gradient(p, [&] {
        const Tensor z = MatMul(x, p.at("w"), {.b = true});
        const Tensor z2 = MatMul(same_input ? x : Tanh(z), p.at("w"), {.b = true});
        return same_input ? Sum(Mul(Tanh(z), Mul(z2, z2))) : Sum(Mul(z2, Tanh(z2)));
      });
    });
    const PairSums a = ByHand(first, d_first, kTokens), b = ByHand(second, d_second, kTokens);
    ExpectNear(told.sums.at("w"), {Add(a.value_key, b.value_key), Add(a.key_key, b.key_key)});
  }
}

// Padding: the same as if its tokens were not there.
TEST(PairSumsTap, MaskedTokensCountForNothing) {
  const Net net;
  const Tensor x = Normal({kTokens, kIn}, "x"), real = x.Rows(0, 4);
  const Told padded = Listen(net.params, kRaw, 4, [&](const NamedTensors& p, PairSumsTap& tap) {
    tap.Mask(Tensor::FromVector({kTokens}, {1, 1, 1, 1, 0, 0}, DType::kF64));
    return Gradient(p, [&] {
      const Tensor y =
          Tanh(MatMul(Tanh(MatMul(x, p.at("a"), {.b = true})), p.at("b"), {.b = true}));
      return Mul(Sum(Mul(Slice(y, 0, 0, 4), Slice(y, 0, 0, 4))), 0.25);
    });
  });
  const Told without = Listen(net.params, kRaw, 4, [&](const NamedTensors& p, PairSumsTap&) {
    return Gradient(p, [&] { return Net::Loss(real, p, 4); });
  });
  for (const char* path : {"a", "b"}) {
    ExpectNear(padded.sums.at(path), without.sums.at(path));
    EXPECT_LT(Distance(padded.grads.at(path), without.grads.at(path)), 1e-15);
  }
}

// Two passes over the same input tensor, each with a mask of its own.
TEST(PairSumsTap, AMaskIsOfThePassesToCome) {
  const NamedTensors params = {{"w", Normal({3, kIn}, "w")}};
  const Tensor x = Normal({kTokens, kIn}, "x"), d = Tensor::Full({kTokens, 3}, 0.0, DType::kF64);
  const Told told = Listen(params, kRaw, kTokens, [&](const NamedTensors& p, PairSumsTap& tap) {
    const auto pass = [&] {
      return Gradient(p, [&] { return Sum(MatMul(x, p.at("w"), {.b = true})); });
    };
    tap.Mask(Tensor::FromVector({kTokens}, {1, 1, 0, 0, 0, 0}, DType::kF64));
    pass();
    tap.Mask(Tensor::FromVector({kTokens}, {0, 0, 1, 1, 1, 1}, DType::kF64));
    return pass();
  });
  EXPECT_LT(Distance(told.sums.at("w").key_key, ByHand(x, d, kTokens).key_key), 1e-14);
}

// Layers on the same tokens share their Gram matrix; one that is alone in a later pass has its own.
TEST(PairSumsTap, SharesOnlyWhatIsTheSame) {
  const NamedTensors params = {{"q", Normal({3, kIn}, "q")}, {"k", Normal({3, kIn}, "k")}};
  const Tensor x = Normal({kTokens, kIn}, "x"), other = Normal({kTokens, kIn}, "other");
  const Told told = Listen(params, kRaw, kTokens, [&](const NamedTensors& p, PairSumsTap&) {
    Gradient(p, [&] {
      return Sum(Mul(MatMul(x, p.at("q"), {.b = true}), MatMul(x, p.at("k"), {.b = true})));
    });
    return Gradient(p, [&] { return Sum(Tanh(MatMul(other, p.at("q"), {.b = true}))); });
  });
  const Tensor d = Tensor::Full({kTokens, 3}, 0.0, DType::kF64);
  const Tensor of_x = ByHand(x, d, kTokens).key_key, of_other = ByHand(other, d, kTokens).key_key;
  EXPECT_LT(Distance(told.sums.at("k").key_key, of_x), 1e-14);
  EXPECT_LT(Distance(told.sums.at("q").key_key, Add(of_x, of_other)), 1e-14);
}

// Where nothing uses the gradient itself it is not computed, and the norm is that of the keys'.
TEST(PairSumsTap, StandsForTheGradientWhereNothingElseDoes) {
  const Net net;
  const Tensor x = Normal({kTokens, kIn}, "x");
  const auto optimizer = MakeOptimizer("name: 'delta_sgd'", net.params);
  const NamedTensors state = optimizer->Init(net.params);
  const auto tap = optimizer->Listen(net.params, state, 0, kTokens);
  const NamedTensors grads =
      Gradient(net.params, [&] { return Net::Loss(x, net.params, kTokens); });
  for (const auto& [path, g] : grads) EXPECT_EQ(Sum(Abs(g)).Item(), 0.0) << path;
  double square = 0.0;
  for (const auto& [path, sums] : tap->sums())
    square += Sum(Mul(sums.value_key, sums.value_key)).Item();
  const UpdateResult r = optimizer->Update(net.params, grads, state, 0, {}, tap.get());
  EXPECT_NEAR(r.grad_norm(), std::sqrt(square), 1e-12);
}

TEST(PairSumsTap, NamesParametersThatNoLayerUsed) {
  const Net net;
  const auto optimizer = MakeOptimizer("name: 'delta_sgd'", net.params);
  const auto tap = optimizer->Listen(net.params, optimizer->Init(net.params), 0, 1);
  const Tensor x = Normal({1, kIn}, "x");
  Gradient(net.params, [&] {
    return Add(Sum(MatMul(x, net.params.at("a"), {.b = true})), Sum(net.params.at("b")));
  });
  EXPECT_EQ(tap->Unseen(), std::vector<std::string>{"b"});
  EXPECT_EQ(MakeOptimizer("", net.params)->Listen(net.params, {}, 0, 1), nullptr);
}

}  // namespace
}  // namespace palimpsest
