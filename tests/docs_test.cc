// That documents which are generated are those of this program, and that what they show runs.
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "core/random.h"
#include "core/tape.h"
#include "optim/optimizer.h"
#include "optim/testing.h"
#include "tests/program_testing.h"
#include "train/config.h"
#include "train/file_testing.h"

namespace palimpsest {
namespace {

TEST(Docs, RulesAreAsTheProgramHasThem) {
  const ProcessResult r = Palimpsest({"rules", "--markdown"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_TRUE(r.out == ReadFile("docs/rules.md"))
      << "docs/rules.md is stale: bazel-bin/program/palimpsest rules --markdown > docs/rules.md";
}

TEST(Docs, TasksAreAsTheProgramHasThem) {
  const ProcessResult r = Palimpsest({"tasks", "--markdown"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_TRUE(r.out == ReadFile("docs/tasks.md"))
      << "docs/tasks.md is stale: bazel-bin/program/palimpsest tasks --markdown > docs/tasks.md";
}

// By hand up to a heading, which the program's part begins with.
TEST(Docs, OptimizersAreAsTheProgramHasThem) {
  const ProcessResult r = Palimpsest({"optim", "--markdown"});
  ASSERT_EQ(r.code, 0) << r.err;
  const std::string heading = r.out.substr(0, r.out.find('\n') + 1),
                    page = ReadFile("docs/optimizers.md");
  const size_t begin = page.find("\n" + heading);
  ASSERT_NE(begin, std::string::npos) << "docs/optimizers.md has no " << heading;
  EXPECT_TRUE(r.out == page.substr(begin + 1))
      << "docs/optimizers.md is stale: sed -i '/^" << heading.substr(0, heading.size() - 1)
      << "$/,$d' docs/optimizers.md; bazel-bin/program/palimpsest optim --markdown >> "
         "docs/optimizers.md";
}

// From the lines of a check's table: its name, and its bound.
std::map<std::string, std::string> Bounds(const std::string& text) {
  static const std::regex kLine("(\\w+) +\\S+ +(\\S+)  (ok|FAILED) .*");
  std::map<std::string, std::string> bounds;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    std::cmatch match;
    if (std::regex_match(line.begin(), line.end(), match, kLine)) bounds[match[1]] = match[2];
  }
  return bounds;
}

TEST(Docs, ChecksHaveTheBoundsThatAreShown) {
  const std::map<std::string, std::string> bounds =
      Bounds(Palimpsest({"check", "--rule=delta"}).out);
  for (const char* path : {"README.md", "docs/writing_a_rule.md"}) {
    const std::map<std::string, std::string> shown = Bounds(ReadFile(path));
    EXPECT_GE(shown.size(), 5u) << path;
    for (const auto& [check, bound] : shown)
      EXPECT_EQ(bound, bounds.contains(check) ? bounds.at(check) : "") << path << ": " << check;
  }
}

// What stands between ```textproto and ```.
std::vector<std::string> Examples(const std::string& page) {
  const std::string open = "```textproto\n", close = "```\n";
  std::vector<std::string> examples;
  for (size_t at = page.find(open); at != std::string::npos; at = page.find(open, at)) {
    at += open.size();
    examples.push_back(page.substr(at, page.find(close, at) - at));
  }
  return examples;
}

// A step on what a small model has: linear layers, and the rest.
TEST(Docs, ExamplesOfOptimizersTakeSteps) {
  const NamedTensors layers = {{"blocks.0.mixer.q.weight", Tensor::Full({4, 3}, 1.0, DType::kF64)},
                               {"blocks.1.mlp.up.weight", Tensor::Full({5, 3}, 1.0, DType::kF64)}};
  const NamedTensors rest = {{"embedding.weight", Tensor::Full({7, 3}, 1.0, DType::kF64)},
                             {"blocks.0.mixer_norm.weight", Tensor::Full({3}, 1.0, DType::kF64)}};
  NamedTensors params = layers;
  params.insert(rest.begin(), rest.end());
  const std::vector<std::string> examples = Examples(ReadFile("docs/optimizers.md"));
  ASSERT_FALSE(examples.empty());
  for (const std::string& text : examples) {
    SCOPED_TRACE(text);
    const auto config = ParseConfigText(text, "docs/optimizers.md");
    ASSERT_TRUE(config.ok()) << config.status();
    const auto optimizer = Optimizer::Create(config->optimizer(), params);
    ASSERT_TRUE(optimizer.ok()) << optimizer.status();
    Pass pass{.layers = {}, .grads = RandomTensors(rest, 1)};
    for (const auto& [path, w] : layers) {
      pass.layers[path] = {RandomNormal({6, w.dim(1)}, RandomStream(2, path), DType::kF64),
                           RandomNormal({6, w.dim(0)}, RandomStream(3, path), DType::kF64)};
    }
    const UpdateResult r = UpdateAfter({pass}, **optimizer, params, (*optimizer)->Init(params), 0);
    for (const auto& [path, w] : r.params) {
      EXPECT_TRUE(AllFinite(w)) << path;
      EXPECT_NE(w.ToVector(), params.at(path).ToVector()) << path;
    }
  }
}

}  // namespace
}  // namespace palimpsest
