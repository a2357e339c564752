#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "memory_rules/rule.h"
#include "nn/model.h"
#include "tasks/data.h"
#include "train/config.h"
#include "train/model_cost.h"
#include "train/trainer.h"

namespace palimpsest {
namespace {

constexpr char kRoot[] = "examples/configs";

// What a size is called, the parameters that says, and how far a row may be from it: the models of
// a paper's table differ in their mixers, gates and convolutions too.
struct Size {
  std::string name;
  double parameters, tolerance;
};
std::vector<Size> Sizes() {
  return {{"1m", 1e6, 0.25},
          {"67m", 67e6, 0.1},
          {"370m", 370e6, 0.1},
          {"760m", 760e6, 0.1},
          {"1.3b", 1.3e9, 0.1}};
}

std::string Path(const std::string& name) {
  return (std::filesystem::path(kRoot) / (name + ".textproto")).string();
}

// "titans/mac"
std::vector<std::string> Rows() {
  std::vector<std::string> rows;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(
           kRoot, std::filesystem::directory_options::follow_directory_symlink)) {
    const std::filesystem::path path = std::filesystem::path(entry).lexically_relative(kRoot);
    if (path.extension() != ".textproto" || !path.has_parent_path()) continue;
    if (path.parent_path() != "sizes") rows.push_back((path.parent_path() / path.stem()).string());
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

std::set<std::string> RowsOf(const std::string& folder) {
  std::set<std::string> names;
  for (const std::string& row : Rows()) {
    if (row.starts_with(folder + "/")) names.insert(row.substr(folder.size() + 1));
  }
  return names;
}

TrainConfig ConfigOf(const std::string& row, const std::string& size) {
  absl::StatusOr<TrainConfig> config = LoadConfig({Path(row), Path("sizes/" + size)}, {});
  PALIMPSEST_CHECK(config.ok()) << row << ": " << config.status().ToString();
  if (config->model().vocab_size() > 0) return *config;
  const auto data = MakeDataSource(config->data(), config->length(), config->seed());
  PALIMPSEST_CHECK(data.ok()) << row << ": " << data.status().ToString();
  config->mutable_model()->set_vocab_size((*data)->vocab());
  return *config;
}

class EveryRow : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Configs, EveryRow, testing::ValuesIn(Rows()), [](const auto& info) {
  return absl::StrReplaceAll(info.param, {{"/", "_"}, {".", "_"}, {"-", "_"}});
});

TEST_P(EveryRow, IsOfEverySize) {
  for (const Size& size : Sizes()) {
    const TrainConfig config = ConfigOf(GetParam(), size.name);
    EXPECT_TRUE(ValidateConfig(config).ok()) << ValidateConfig(config);
    const auto model = LanguageModel::CreateUninitialized(config.model(), *ConfigDType(config));
    ASSERT_TRUE(model.ok()) << size.name << ": " << model.status();
    const ModelCost cost = SizesOf(**model, config.length());
    EXPECT_NEAR(static_cast<double>(cost.parameters) / size.parameters, 1.0, size.tolerance)
        << size.name << ": " << cost.parameters << " parameters";
  }
}

TEST_P(EveryRow, Trains) {
  TrainConfig config = ConfigOf(GetParam(), "1m");
  config.set_batch(2);
  auto trainer = Trainer::Create(config);
  ASSERT_TRUE(trainer.ok()) << trainer.status();
  for (int step = 0; step < 2; ++step) {
    const absl::StatusOr<StepResult> result = (*trainer)->Step();
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_TRUE(std::isfinite(result->loss()));
    EXPECT_GT(result->grad_norm(), 0.0);
  }
}

TEST(Rows, AreThoseOfTheTables) {
  const std::vector<std::string> rules = MemoryRuleNames();
  EXPECT_EQ(RowsOf("rules"), std::set<std::string>(rules.begin(), rules.end()));
  EXPECT_EQ(RowsOf("titans"),
            (std::set<std::string>{"lmm", "mac", "mag", "mal", "linear_memory", "no_convolution",
                                   "no_momentum", "no_weight_decay", "no_persistent"}));
  EXPECT_EQ(RowsOf("ddl"), (std::set<std::string>{"baseline", "dv1", "tc", "cc", "tc_ec", "cc_ec",
                                                  "write_only", "add", "code_values"}));
  EXPECT_EQ(RowsOf("hope"), (std::set<std::string>{"hope", "hope_attention", "no_dgd",
                                                   "no_momentum", "no_weight_decay", "no_cms",
                                                   "static_k", "static_v", "adaptive_q"}));
}

// Each differs from its baseline in nothing but what it is named for.
TEST(Rows, AblationsChangeOneThing) {
  const auto memory = [](const std::string& row) {
    return ConfigOf(row, "1m").model().block(0).memory();
  };
  const ModelConfig::Memory full = memory("titans/lmm");
  const auto back = [&](const std::string& row, auto restore) {
    ModelConfig::Memory m = memory(row);
    EXPECT_NE(m.DebugString(), full.DebugString()) << row;
    restore(&m);
    EXPECT_EQ(m.DebugString(), full.DebugString()) << row;
  };
  using Memory = ModelConfig::Memory;
  back("titans/linear_memory", [](Memory* m) { m->mutable_rule()->set_name("titans_mlp"); });
  back("titans/no_convolution", [](Memory* m) { m->set_conv(4); });
  back("titans/no_momentum", [](Memory* m) { m->mutable_rule()->clear_params(); });
  back("titans/no_weight_decay", [](Memory* m) { m->clear_gate(); });
  back("titans/no_persistent", [](Memory* m) { m->set_persistent(4); });
}

}  // namespace
}  // namespace palimpsest
