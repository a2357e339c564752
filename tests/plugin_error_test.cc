// Plugins that are none, or bad ones: each is one error that says what is wrong, and the process is
// as it was.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "memory_rules/plugin.h"
#include "memory_rules/registry.h"
#include "tests/plugin_building.h"
#include "tests/program_testing.h"
#include "train/file_testing.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string kThisAbi = "extern \"C\" { extern const int kPalimpsestPluginAbi = " +
                             std::to_string(kPalimpsestPluginAbi) + "; }";

// Loading leaves nothing behind; what it says after "plugin PATH ".
std::string ErrorOf(const std::string& path) {
  const std::vector<std::string> rules = MemoryRuleNames();
  const size_t plugins = LoadedPlugins().size();
  const absl::StatusOr<Plugin> plugin = LoadPlugin(path);
  EXPECT_EQ(MemoryRuleNames(), rules);
  EXPECT_EQ(LoadedPlugins().size(), plugins);
  if (plugin.ok()) return "ok";
  const std::string message(plugin.status().message()), start = "plugin " + path + " ";
  EXPECT_THAT(message, StartsWith(start));
  return message.substr(start.size());
}

// Of a plugin that is this code and no framework.
std::string ErrorOfCode(const std::string& code) {
  return ErrorOf(BuildPlugin({Source("#include <unistd.h>\n" + code)}));
}

TEST(PluginErrors, FilesThatAreNoPlugins) {
  const std::string dir = ScratchDir();
  EXPECT_EQ(ErrorOf(dir + "/none.so"), "cannot be opened: No such file or directory");
  EXPECT_EQ(ErrorOf(""), "cannot be opened: No such file or directory");
  EXPECT_EQ(ErrorOf(dir), "is not a file");
  for (const std::string text : {"", "#!/bin/sh\n",
                                 "\x7f"
                                 "ELF"}) {
    WriteFile(dir + "/text.so", text);
    EXPECT_THAT(ErrorOf(dir + "/text.so"), HasSubstr("is not a shared object"));
  }
  EXPECT_THAT(ErrorOf(BuildObject({Source(kThisAbi)})), HasSubstr("not a shared object"));
  EXPECT_THAT(ErrorOfCode("int x;"), HasSubstr("has no kPalimpsestPluginAbi"));
}

// Wherever a file is cut, and whatever is in it, reading it ends.
TEST(PluginErrors, DamagedFiles) {
  const std::string whole = ReadFile(BuildPlugin({Source(kThisAbi + "extern const int x = 1;")}));
  const std::string path = ScratchDir() + "/damaged.so";
  for (size_t size = 0; size < whole.size(); size += 1 + whole.size() / 50) {
    WriteFile(path, whole.substr(0, size));
    EXPECT_NE(ErrorOf(path), "ok") << size;
  }
  // Of the header, where the tables are and how long.
  for (size_t at = 0x20; at < 0x40; ++at) {
    std::string damaged = whole;
    damaged[at] = '\xff';
    WriteFile(path, damaged);
    EXPECT_NE(ErrorOf(path), "ok") << at;
  }
}

TEST(PluginErrors, OfAnotherAbiNothingRuns) {
  const std::string ran = ScratchDir() + "/ran";
  EXPECT_EQ(ErrorOfCode("#include <fcntl.h>\n"
                        "extern \"C\" { extern const int kPalimpsestPluginAbi = 1234; }"
                        "void Missing();"
                        "__attribute__((constructor)) void Run() { creat(\"" +
                        ran + "\", 0644); Missing(); }"),
            "has plugin ABI 1234, and this program has " + std::to_string(kPalimpsestPluginAbi) +
                ": rebuild the plugin with this program's headers");
  EXPECT_NE(access(ran.c_str(), F_OK), 0);
}

TEST(PluginErrors, ThatCannotBeLoaded) {
  EXPECT_THAT(ErrorOfCode(kThisAbi), HasSubstr("registers no rule"));
  EXPECT_THAT(ErrorOfCode(kThisAbi + "namespace other { void Missing(int); }"
                                     "int x = (other::Missing(1), 1);"),
              HasSubstr("cannot be loaded: undefined symbol: other::Missing(int); was it built"));
  EXPECT_EQ(ErrorOfCode(kThisAbi + "int x = *(volatile int*)nullptr;"),
            "crashed while it was loaded (signal 11, Segmentation fault)");
  EXPECT_THAT(ErrorOfCode(kThisAbi + "int x = (throw 1, 1);"),
              StartsWith("crashed while it was loaded (signal 6, Aborted): terminate called"));
  EXPECT_THAT(ErrorOfCode(kThisAbi + "int x = (_exit(3), 1);"),
              "exited with code 3 while it was loaded");
}

// Plugins whose only rule is named kName and does what kDoes says.
class PluginRuleErrors : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    object_ = new std::string(BuildObject({Source(R"(
#include <cstdlib>
#include <stdexcept>

#include "memory_rules/linear_memory.h"
#include "memory_rules/registry.h"
#include "ops/ops.h"

using namespace palimpsest;
extern const char* const kName;
extern const char* const kDoes;

class Bad : public LinearMemory {
 public:
  explicit Bad(const RuleParams&) {
    if (kDoes[0] == 't') throw std::runtime_error("no such rule today");
  }
  std::string equation() const override { return "M_t = 0"; }
  std::vector<GateSpec> gates() const override { return {}; }
  State Init(const MemoryDims& dims, DType dtype, const RandomStream& s) const override {
    if (kDoes[0] == 'a') std::abort();
    if (kDoes[0] == 's') return {Add(Tensor::Full({2}, 0, dtype), Tensor::Full({3}, 0, dtype))};
    if (kDoes[0] == 'm') return {};
    return LinearMemory::Init(dims, dtype, s);
  }
  State Step(const State& s, const State&, const Block&) const override { return s; }
  LinearUpdate Update(const Rows&, const State&) const override { return {}; }
};

static bool registered = RegisterMemoryRule(kName, {}, [](const RuleParams& params) {
  return kDoes[0] == 'n' ? nullptr : std::make_unique<Bad>(params);
});
static bool again = kDoes[0] != '2' || RegisterMemoryRule(kName, {}, nullptr);
)")}));
  }
  static void TearDownTestSuite() { delete object_; }
  static std::string ErrorOfRule(const std::string& name, const std::string& does) {
    return ErrorOf(
        BuildPlugin({*object_, Source("extern const char* const kName = \"" + name +
                                      "\"; extern const char* const kDoes = \"" + does + "\";")}));
  }

  static std::string* object_;
};
std::string* PluginRuleErrors::object_ = nullptr;

TEST_F(PluginRuleErrors, NamesThatAreTaken) {
  const std::string taken = ", and there is one of that name: give it another";
  EXPECT_EQ(ErrorOfRule("delta", ""), "registers a rule \"delta\"" + taken);
  EXPECT_EQ(ErrorOfRule("twice", "2"), "registers a rule \"twice\"" + taken);
}

TEST_F(PluginRuleErrors, CrashesInInit) {
  EXPECT_EQ(ErrorOfRule("bad", "abort"), "crashed in Init of its rule bad (signal 6, Aborted)");
  EXPECT_THAT(ErrorOfRule("bad", "throw"),
              AllOf(StartsWith("crashed in Init of its rule bad (signal 6, Aborted): "),
                    HasSubstr("no such rule today")));
  EXPECT_THAT(ErrorOfRule("bad", "shapes"),
              AllOf(StartsWith("crashed in Init of its rule bad (signal 6, Aborted): "),
                    HasSubstr("[add] check failed"), HasSubstr("[2]")));
  EXPECT_EQ(ErrorOfRule("bad", "missing"),
            "has a rule bad with 1 state_names, whose Init makes 0 tensors");
  EXPECT_EQ(ErrorOfRule("bad", "null"), "makes nothing of its rule bad");
}

TEST_F(PluginRuleErrors, TheProgramSaysItInOneLine) {
  const std::string path = ScratchDir() + "/none.so";
  const ProcessResult result = Palimpsest({"rules", "--plugin=" + path});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err,
            "palimpsest: plugin " + path + " cannot be opened: No such file or directory\n");
}

}  // namespace
}  // namespace palimpsest
