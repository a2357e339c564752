// What a caller of Scan gets wrong is named, with the shapes.
#include "conformance/problem.h"
#include "gtest/gtest.h"
#include "ops/layout.h"

namespace palimpsest {
namespace {

constexpr ProblemSize kSize = {.batch = 1, .time = 30, .heads = 1, .key = 6, .value = 5};

TEST(ScanDeathTest, MistakesAreNamed) {
  const Problem p = MakeProblem({"gated_delta", {}}, kSize);
  Sequence no_beta = p.seq;
  no_beta.gates.erase("beta"), no_beta.gates["betta"] = p.seq.gates.at("beta");
  EXPECT_DEATH(Scan(*p.rule, no_beta, p.state),
               "scan.*gate beta of f64 \\[1,30,1\\] expected.*betta f64");
  Sequence short_v = p.seq;
  short_v.v = Slice(p.seq.v, 1, 0, 3);
  EXPECT_DEATH(Scan(*p.rule, short_v, p.state), "v f64 \\[1,3,1,5\\]");
  EXPECT_DEATH(Scan(*p.rule, p.seq, {}), "no state");
  EXPECT_DEATH(Scan(*p.rule, p.seq, {Tensor::Full({2, 5, 6}, 0.0, DType::kF64)}), "for 1 memories");
  Sequence packed = p.seq;
  packed.cu_seqlens = Tensor::From<int32_t>({3}, {0, 31, 30});
  EXPECT_DEATH(Scan(*p.rule, packed, p.state), "cu_seqlens");
  const Problem anchored = MakeProblem({"titans_mlp", {}}, kSize);
  EXPECT_DEATH(Scan(*anchored.rule, anchored.seq, anchored.state, {.phase = 3}),
               "needs the anchor");
}

}  // namespace
}  // namespace palimpsest
