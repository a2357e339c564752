// examples/plugins/ as a user has them: built by a compiler outside the source tree, in the
// program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

#include "core/random.h"
#include "tests/plugin_building.h"
#include "tests/program_testing.h"
#include "train/file_testing.h"
#include "train/safetensors.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

class PluginTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    longhorn_ = BuildPlugin({"-O1", "examples/plugins/longhorn.cc"});
    bilinear_ = BuildPlugin({"-O1", "examples/plugins/bilinear.cc"});
  }
  static void ExpectMissing(const ProcessResult& result, const std::string& what) {
    EXPECT_EQ(result.code, 1);
    EXPECT_THAT(result.err, AllOf(HasSubstr(what), EndsWith("/again.so\n")));
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  }

  static std::string longhorn_, bilinear_;
};
std::string PluginTest::longhorn_, PluginTest::bilinear_;

TEST_F(PluginTest, ItsSourcesAreShortAndTheGuideHasTheFirst) {
  const auto lines = [](const std::string& path) {
    const std::string text = ReadFile(path);
    return std::count(text.begin(), text.end(), '\n');
  };
  EXPECT_LE(lines("examples/plugins/longhorn.cc"), 40);
  EXPECT_LE(lines("examples/plugins/bilinear.cc"), 60);
  EXPECT_THAT(ReadFile("docs/writing_a_rule.md"),
              HasSubstr("```cpp\n" + ReadFile("examples/plugins/longhorn.cc") + "```\n"));
}

// Whether or not a rule that is built in uses it.
TEST(PluginHost, OffersEveryFunctionOfThePublicHeaders) {
  const std::string symbols = RunProcess({"/usr/bin/nm", "-DC", "program/palimpsest"}).out;
  const std::regex declaration(
      "^(?!inline|template|constexpr|decltype|using|#)[A-Z_a-z][^(]*[ &*]([A-Z]\\w+)\\(.*");
  size_t functions = 0;
  for (const char* folder : {"core", "ops", "memory_rules"}) {
    for (const auto& header : std::filesystem::directory_iterator(folder)) {
      if (header.path().extension() != ".h") continue;
      std::ifstream text(header.path());
      std::smatch match;
      for (std::string line; std::getline(text, line);) {
        if (!std::regex_match(line, match, declaration)) continue;
        const std::string name = " palimpsest::" + match[1].str();
        EXPECT_TRUE(symbols.find(name + "(") != std::string::npos ||
                    symbols.find(name + "[abi:cxx11](") != std::string::npos)
            << line;
        ++functions;
      }
    }
  }
  EXPECT_GT(functions, 100u);
}

TEST_F(PluginTest, TheProgramListsItsRules) {
  const ProcessResult rules =
      Palimpsest({"rules", "--plugin=" + longhorn_, "--plugin=" + bilinear_});
  ASSERT_EQ(rules.code, 0) << rules.err;
  EXPECT_EQ(rules.err, "");
  EXPECT_THAT(rules.out, AllOf(HasSubstr("\nlonghorn\n"), HasSubstr("\nbilinear\n")));
  // Twice the same is once.
  EXPECT_EQ(
      Palimpsest({"rules", "longhorn", "--plugin=" + longhorn_, "--plugin=" + longhorn_}).code, 0);
  EXPECT_THAT(Palimpsest({"rules"}).out, Not(HasSubstr("longhorn")));
}

// M_t minimises |M - M_{t-1}|^2 + beta |M k - v|^2: its gradient there is zero.
TEST_F(PluginTest, AScanIsWhatTheEquationSays) {
  const std::string in = ScratchDir() + "/in", out = ScratchDir() + "/out";
  const RandomStream random(1, "plugin");
  const int64_t time = 9, key = 3, value = 2;
  const Tensor q = RandomNormal({1, time, 1, key}, random.Fork("q"), DType::kF64),
               k = RandomNormal({1, time, 1, key}, random.Fork("k"), DType::kF64),
               v = RandomNormal({1, time, 1, value}, random.Fork("v"), DType::kF64),
               beta = RandomUniform({1, time, 1}, random.Fork("beta"), DType::kF64);
  ASSERT_TRUE(WriteSafetensors(in, {{{"q", q}, {"k", k}, {"v", v}, {"gate.beta", beta}}, {}}).ok());
  const ProcessResult scan = Palimpsest(
      {"scan", "--rule=longhorn", "--plugin=" + longhorn_, "--in=" + in, "--out=" + out});
  ASSERT_EQ(scan.code, 0) << scan.err;
  const auto file = ReadSafetensors(out);
  ASSERT_TRUE(file.ok()) << file.status();
  const std::vector<double> ks = k.ToVector(), vs = v.ToVector(), betas = beta.ToVector(),
                            qs = q.ToVector(), ys = file->tensors.at("y").ToVector();
  for (int64_t i = 0; i < value; ++i) {
    std::vector<double> m(key, 0.0);
    for (int64_t t = 0; t < time; ++t) {
      double error = -vs[t * value + i], square = 0.0, y = 0.0;
      for (int64_t j = 0; j < key; ++j) error += m[j] * ks[t * key + j];
      for (int64_t j = 0; j < key; ++j) square += ks[t * key + j] * ks[t * key + j];
      const double after = error / (1.0 + betas[t] * square);  // The error that is left.
      for (int64_t j = 0; j < key; ++j) m[j] -= betas[t] * after * ks[t * key + j];
      for (int64_t j = 0; j < key; ++j) y += m[j] * qs[t * key + j];
      EXPECT_NEAR(ys[t * value + i], y, 1e-12) << t;
    }
  }
}

TEST_F(PluginTest, ALayerOfItsRuleTrainsAndGoesOn) {
  for (const auto& [name, path] : {std::pair("longhorn", longhorn_), {"bilinear", bilinear_}}) {
    const SmallRun run;
    const std::string plugin = "--plugin=" + path, dir = "--run=" + run.run_dir;
    const std::string rule = std::string("model.block.0.memory.rule.name=") + name;
    const ProcessResult trained = Palimpsest(run.TrainArgs({plugin, rule}));
    ASSERT_EQ(trained.code, 0) << trained.err;
    EXPECT_THAT(trained.out, HasSubstr(std::string("\nplugin   ") + name + " of"));
    EXPECT_THAT(ReadFile(run.run_dir + "/config.textproto"),
                HasSubstr(std::string("/libplugin.so\"\n  rule: \"") + name + "\"\n"));
    EXPECT_EQ(Palimpsest({"eval", dir, plugin}).code, 0);
    EXPECT_EQ(Palimpsest({"generate", dir, plugin, "--tokens=3"}).code, 0);

    // A rule of a plugin is the same from anywhere.
    const std::string elsewhere = ScratchDir() + "/again.so";
    WriteFile(elsewhere, ReadFile(path));
    const std::vector<std::string> resume = {"train", "--run_dir=" + run.run_dir, "--resume",
                                             "steps=8"};
    std::vector<std::string> more = resume;
    more.push_back("--plugin=" + elsewhere);
    EXPECT_EQ(Palimpsest(more).code, 0) << Palimpsest(more).err;

    const std::string missing =
        std::string("the model's memory rule \"") + name + "\" is one of a plugin: give --plugin=/";
    ExpectMissing(Palimpsest({"eval", dir}), missing);
    ExpectMissing(Palimpsest({"generate", dir}), missing);
    ExpectMissing(Palimpsest(resume), missing);
    ExpectMissing(Palimpsest(run.TrainArgs({rule, "--resume"})), missing);
  }
}

}  // namespace
}  // namespace palimpsest
