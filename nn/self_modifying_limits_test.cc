// Where self-modifying memories are something known, and where they are pushed hard.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/tape.h"
#include "gtest/gtest.h"
#include "memory_rules/rule.h"
#include "nn/self_modifying_problem.h"
#include "nn/self_modifying_scan.h"
#include "nn/testing.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

const std::vector<Box> kAll = {Box::kKey, Box::kValue, Box::kMemory, Box::kEta, Box::kKeep};
const std::vector<Box> kWithQuery = {Box::kKey,    Box::kValue, Box::kQuery,
                                     Box::kMemory, Box::kEta,   Box::kKeep};

// Without momentum and with the skip, what is descended is |k + M k - vhat|^2 / 2:
// the rule dgd on the values vhat - k, and titans_linear without its erasure.
TEST(SelfModifyingScan, OfTheMemoryAloneIsTheRuleOfItsTargets) {
  for (const auto& [text, rule] :
       {std::pair("DGD", RuleConfig{"dgd", {}, {}}),
        std::pair("GD", RuleConfig{"titans_linear", {{"momentum", 0}}, {}})}) {
    const SelfModifyingProblem p(
        std::string("structure: LINEAR momentum: NONE read: AFTER_WRITE step: EXPLICIT "
                    "rest: ZERO rule: ") +
            text,
        {Box::kMemory}, 12);
    const BoxScan scan = p.Run(4);
    const auto known = MakeMemoryRule(rule);
    ASSERT_TRUE(known.ok()) << known.status();
    State state = p.state;
    for (int64_t begin = 0; begin < 12; begin += 4) {
      const auto rows = [&](const Tensor& x) {
        const Tensor part = Slice(x, 1, begin, begin + 4);
        Shape shape = part.shape();
        shape.insert(shape.begin() + 2, 1);
        return Reshape(part, shape);
      };
      const BoxSignals& s = p.inputs.signals;
      const Tensor v = Slice(s.v, 1, begin, begin + 4);
      const Tensor target =
          Sub(Add(v, MatMul(v, state[0], {.b = true})), Slice(s.k, 1, begin, begin + 4));
      Shape shape = target.shape();
      shape.insert(shape.begin() + 2, 1);
      const ScanResult r = Scan(
          **known,
          {rows(s.q),
           rows(s.k),
           Reshape(target, shape),
           {{"log_keep", rows(s.log_keep)}, {rule.name == "dgd" ? "eta" : "theta", rows(s.eta)}}},
          state, {.chunk = 4});
      state = r.state;
      const Tensor y =
          Add(Reshape(r.y, {kProblemBatch, 4, kProblemKey}), Slice(s.q, 1, begin, begin + 4));
      EXPECT_LT(MaxDifference(y, Slice(scan.y, 1, begin, begin + 4)), 1e-13);
    }
    EXPECT_LT(MaxDifference(state[0], scan.state[0]), 1e-13);
  }
}

// The network, its inner gradient, what each layer erases and the momentum are those of hope_mlp.
TEST(SelfModifyingScan, OfAnMlpIsHopeMlpOfItsTargets) {
  for (const bool momentum : {false, true}) {
    const SelfModifyingProblem p(
        std::string("step: EXPLICIT rest: ZERO max_error: 0 hidden: 8 momentum: ") +
            (momentum ? "GRADIENT" : "NONE"),
        {Box::kMemory}, 4);
    const auto rule =
        MakeMemoryRule({"hope_mlp", {{"momentum", momentum ? 1.0 : 0.0}}, {{"rest", "zero"}}});
    ASSERT_TRUE(rule.ok()) << rule.status();
    const BoxSignals& s = p.inputs.signals;
    const auto one_head = [](const Tensor& x) {
      Shape shape = x.shape();
      shape.insert(shape.begin() + 2, 1);
      return Reshape(x, shape);
    };
    const State weights(p.state.begin(), p.state.begin() + 2);
    const Tensor target = p.stack.Forward(SharedWeights(weights), s.v);
    Sequence seq{one_head(s.q),
                 one_head(s.k),
                 one_head(target),
                 {{"log_keep", one_head(s.log_keep)}, {"theta", one_head(s.eta)}}};
    if (momentum)
      seq.gates["log_eta"] = one_head(BroadcastTo(p.constants.log_momentum, s.eta.shape()));
    const ScanResult r = Scan(**rule, seq, p.state, {.chunk = 4});
    const BoxScan scan = p.Run(4);
    EXPECT_LT(MaxDifference(Reshape(r.y, scan.y.shape()), scan.y), 1e-13);
    for (size_t i = 0; i < r.state.size(); ++i)
      EXPECT_LT(MaxDifference(r.state[i], scan.state[i]), 1e-13) << i;
  }
}

TEST(SelfModifyingScan, ChunkOfOneIsExact) {
  const std::string text = "structure: LINEAR momentum: STEP max_error: 0 ";
  const SelfModifyingProblem anchored(text, {Box::kMemory}, 9),
      exact(text + "error: EXACT", {Box::kMemory}, 9);
  EXPECT_LT(MaxDifference(anchored.Run(1), exact.Run(1)), 1e-12);
  EXPECT_GT(MaxDifference(anchored.Run(4).y, exact.Run(4).y), 1e-3);
}

TEST(SelfModifyingScan, WithoutStepsAllStaysAsItWas) {
  SelfModifyingProblem p("weight_decay: false momentum: NONE",
                         {Box::kKey, Box::kValue, Box::kMemory}, 9);
  p.inputs.signals.eta = Mul(p.inputs.signals.eta, 0.0);
  const BoxScan scan = p.Run(4);
  for (size_t i = 0; i < p.state.size(); ++i)
    EXPECT_LT(MaxDifference(scan.state[i], p.state[i]), 1e-15);
  const Tensor read =
      p.stack.Output(Box::kMemory, p.stack.Forward(SharedWeights(p.state), p.inputs.signals.q));
  EXPECT_LT(MaxDifference(scan.y, read), 1e-14);
}

TEST(SelfModifyingScan, WritesThatAreConstantTellNothingOfWhatMadeThem) {
  const SelfModifyingProblem p("differentiate_writes: false", kAll, 9);
  Tape tape;
  const Tensors sources = {p.inputs.x,           p.constants.skip,
                           p.constants.eta_bias, p.constants.log_momentum,
                           p.inputs.signals.q,   p.state[0]};
  tape.Watch(sources);
  const Tensors gradients = tape.Gradient(Sum(p.Run(4).y), sources);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(Norm(gradients[i]).Item(), 0.0) << i;
  for (size_t i = 4; i < 6; ++i) EXPECT_GT(Norm(gradients[i]).Item(), 0.0) << i;
}

TEST(SelfModifyingScan, GatesAtTheirExtremesStayFinite) {
  for (const char* text : {"structure: LINEAR momentum: STEP", "momentum: GRADIENT"}) {
    for (const double keep : {-1e4, -40.0, 0.0}) {
      for (const double eta : {0.0, 1.0}) {
        SelfModifyingProblem p(text, {Box::kKey, Box::kValue, Box::kMemory}, 33, DType::kF32);
        BoxSignals& s = p.inputs.signals;
        s.log_keep = Tensor::Full(s.eta.shape(), keep, DType::kF32);
        s.eta = Tensor::Full(s.eta.shape(), eta, DType::kF32);
        const Tensors sources = p.Sources();
        Tape tape;
        tape.Watch(sources);
        const BoxScan scan = p.Run(16);
        EXPECT_TRUE(AllFinite(scan.y)) << text << " keep " << keep << " eta " << eta;
        for (const Tensor& g : tape.Gradient(Sum(scan.y), sources)) EXPECT_TRUE(AllFinite(g));
      }
    }
  }
}

// Boxes that feed on each other stay of a size, whatever they start as, and go on writing.
TEST(SelfModifyingScan, LongStreamsStayBounded) {
  for (const char* text :
       {"", "momentum: GRADIENT", "rule: GD", "momentum: NONE rule: GD", "structure: LINEAR",
        "structure: LINEAR momentum: GRADIENT", "structure: LINEAR rule: GD",
        "structure: LINEAR momentum: NONE rule: GD",
        "structure: LINEAR error: EXACT eta_max: 0.5"}) {
    SelfModifyingProblem p(text, kAll, 2048, DType::kF32);
    p.inputs.x = Mul(p.inputs.x, 3.0);
    p.inputs.x_v = Mul(p.inputs.x_v, 3.0);
    const BoxScan scan = p.Run(16);
    ASSERT_TRUE(AllFinite(scan.y)) << text;
    for (const Tensor& w : scan.state) {
      ASSERT_TRUE(AllFinite(w)) << text;
      EXPECT_LT(Max(Abs(w)).Item(), 30.0) << text;
    }
    for (size_t i = 0; i < p.constants.rest.size(); ++i)
      EXPECT_GT(Norm(Sub(scan.state[i], p.constants.rest[i])).Item(), 0.1) << text << " " << i;
  }
}

// The same where all is forgotten: a matrix goes on writing, and both layers of an MLP are zero, a
// product with which is each other's gradient.
TEST(SelfModifyingScan, AnMlpThatForgetsToZeroDies) {
  for (const char* structure : {"LINEAR", "MLP"}) {
    const SelfModifyingProblem p(std::string("rest: ZERO structure: ") + structure, kAll, 2048);
    const Tensors memory = p.stack.Of(Box::kMemory, p.Run(16).state);
    const double last = Norm(memory.back()).Item();
    if (memory.size() == 1) {
      EXPECT_GT(last, 0.1);
    } else {
      EXPECT_LT(last, 1e-6);
    }
  }
}

// All errors of a chunk are those of its start; what they overshoot by feeds the next ones.
TEST(SelfModifyingScan, ErrorsWithoutABoundGrow) {
  const SelfModifyingProblem p("rule: GD max_error: 0", kAll, 256);
  EXPECT_FALSE(AllFinite(p.Run(16).y));
}

// k and v of one input become one vector, whose target is there before it is written.
TEST(SelfModifyingScan, OfOneInputAMemoryDies) {
  SelfModifyingProblem p("structure: LINEAR rest: ZERO eta_max: 1", kAll, 512);
  p.inputs.x_v = p.inputs.x;
  const BoxScan scan = p.Run(16);
  EXPECT_LT(Norm(p.stack.Of(Box::kMemory, scan.state)[0]).Item(), 1e-6);
}

TEST(BoxStack, JoinsBoxesAndFindsThemAgain) {
  for (const char* text : {"structure: LINEAR", "hidden: 3"}) {
    const ModelConfig::SelfModifying config = ParseSelfModifying(text);
    const BoxStack stack(config, kWithQuery);
    std::map<Box, Tensors> boxes;
    uint64_t fork = 0;
    for (Box box : kWithQuery) {
      for (const Tensor& w : stack.Draw(box, DType::kF64, RandomStream(1, "boxes")))
        boxes[box].push_back(RandomNormal({kProblemBatch, w.dim(1), w.dim(2)},
                                          RandomStream(2, "b", ++fork), DType::kF64));
    }
    const Tensors joined = stack.Join(boxes);
    EXPECT_EQ(joined.size(), stack.num_weights());
    const Tensor x =
        RandomNormal({kProblemBatch, 5, kProblemKey}, RandomStream(3, "x"), DType::kF64);
    const Tensor skip =
        RandomNormal({kProblemBatch, 2, kProblemKey}, RandomStream(4, "skip"), DType::kF64);
    const Tensor all = stack.Forward(SharedWeights(joined, {skip}), x);
    for (Box box : kWithQuery) {
      const Tensors found = stack.Of(box, joined);
      ASSERT_EQ(found.size(), boxes.at(box).size());
      for (size_t i = 0; i < found.size(); ++i)
        EXPECT_EQ(found[i].ToVector(), boxes.at(box)[i].ToVector()) << NameOf(box);
      Tensor y = MatMul(x, found[0], {.b = true});
      if (found.size() > 1) y = MatMul(Silu(y), found[1], {.b = true});
      const Tensor row = box == Box::kEta ? Slice(skip, 1, 0, 1) : Slice(skip, 1, 1, 2);
      y = Add(y, y.dim(2) == 1 ? MatMul(x, row, {.b = true}) : x);
      EXPECT_LT(MaxDifference(y, stack.Output(box, all)), 1e-14) << NameOf(box);
    }
  }
}

}  // namespace
}  // namespace palimpsest
