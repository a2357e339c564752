// `palimpsest scan`: a rule over tensors from a file, as a script in another language would use it.
#include <algorithm>
#include <string>
#include <vector>

#include "conformance/problem.h"
#include "core/tape.h"
#include "gtest/gtest.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "tests/gradcheck.h"
#include "tests/program_testing.h"
#include "train/file_testing.h"
#include "train/safetensors.h"

namespace palimpsest {
namespace {

class ScanCommandTest : public testing::Test {
 protected:
  // Everything that a scan of `p` and its gradients depend on.
  static NamedTensors Inputs(const Problem& p) {
    NamedTensors in = {{"q", p.seq.q}, {"k", p.seq.k}, {"v", p.seq.v}};
    for (const auto& [name, gate] : p.seq.gates) in["gate." + name] = gate;
    const std::vector<std::string> names = p.rule->state_names();
    for (size_t i = 0; i < names.size(); ++i) in["state." + names[i]] = p.state[i];
    return in;
  }
  ProcessResult Scan(const NamedTensors& in, std::vector<std::string> more) const {
    EXPECT_TRUE(WriteSafetensors(in_, {in, {}}).ok());
    more.insert(more.begin(), {"scan", "--in=" + in_, "--out=" + out_});
    return Palimpsest(more);
  }
  void ExpectError(const NamedTensors& in, const std::string& rule, const std::string& what) const {
    const ProcessResult r = Scan(in, {"--rule=" + rule});
    EXPECT_EQ(r.code, 1);
    EXPECT_NE(r.err.find(what), std::string::npos) << r.err;
    EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1) << r.err;
  }

  const std::string dir_ = ScratchDir(), in_ = dir_ + "/in.safetensors",
                    out_ = dir_ + "/out.safetensors";
};

TEST_F(ScanCommandTest, IsTheScanAndItsGradients) {
  for (const char* name : {"gated_delta", "momentum_delta", "delta_product", "titans_mlp"}) {
    const Problem p = MakeProblem({name, {}}, {.batch = 2, .time = 37, .heads = 2, .key_heads = 1});
    const auto run = [&](const Tensors& x) { return RunForm(p.With(x), Form::kChunks, 16); };
    const Tensors want = run(p.Inputs()), dys = RandomLike(want, 1);
    NamedTensors in = Inputs(p);
    in["dy"] = dys[0];
    const std::vector<std::string> states = p.rule->state_names();
    for (size_t i = 0; i < states.size(); ++i) in["dstate." + states[i]] = dys[i + 1];
    for (const char* form : {"--grad", "--steps"}) {
      const ProcessResult r =
          Scan(in, {std::string("--rule=") + name, "--grad", "--chunk=16", form});
      ASSERT_EQ(r.code, 0) << r.err;
      const auto out = ReadSafetensors(out_);
      ASSERT_TRUE(out.ok()) << out.status();
      EXPECT_LT(Distance(out->tensors.at("y"), want[0]), 1e-12);
      for (size_t i = 0; i < states.size(); ++i)
        EXPECT_LT(Distance(out->tensors.at("state." + states[i]), want[i + 1]), 1e-12);
      const Tensors gradients = Gradients(run, p.Inputs(), dys);
      std::vector<std::string> names = {"dq", "dk", "dv"};
      for (const auto& [gate, x] : p.seq.gates) names.push_back("dgate." + gate);
      for (const std::string& state : states) names.push_back("dstate0." + state);
      ASSERT_EQ(names.size(), gradients.size());
      for (size_t i = 0; i < names.size(); ++i)
        EXPECT_LT(Distance(out->tensors.at(names[i]), gradients[i]), 1e-10) << name << names[i];
    }
  }
}

TEST_F(ScanCommandTest, SaysWhatIsWrongAndWritesNothing) {
  const Problem p = MakeProblem({"gated_delta", {}}, {.batch = 1, .time = 5, .heads = 2});
  const NamedTensors good = Inputs(p);
  NamedTensors bad = good;
  bad.erase("gate.beta");
  ExpectError(bad, "gated_delta", "has no tensor gate.beta; it has: ");
  bad = good;
  bad["k"] = Slice(good.at("k"), 1, 0, 3);
  ExpectError(bad, "gated_delta", "tensor k is f64 [1,3,2,4], not [1,5,2,4]");
  bad = good;
  bad["v"] = Cast(good.at("v"), DType::kF32);
  ExpectError(bad, "gated_delta", "tensor k is f64 [1,5,2,4], not f32");
  bad = good;
  bad["extra"] = good.at("q");
  ExpectError(bad, "gated_delta", "tensor extra is not one of: q, k, v");
  bad = good;
  bad["q"] = Log(Mul(good.at("q"), 0.0));
  ExpectError(bad, "gated_delta", "tensor q has values that are not finite");
  bad = good;
  bad["state.M"] = Slice(good.at("state.M"), 0, 0, 1);
  ExpectError(bad, "gated_delta", "tensor state.M is f64 [1,3,4], not [2,3,4]");
  ExpectError(good, "gated_dleta", "did you mean \"gated_delta\"?");
  EXPECT_FALSE(ReadSafetensors(out_).ok());
}

}  // namespace
}  // namespace palimpsest
