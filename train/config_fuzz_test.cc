// Every field of a config set to nonsense, one at a time: training starts, or an error names the
// field. No crash, no hang, no memory that is not there.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/allocator.h"
#include "core/parallel.h"
#include "nn/model_rows.h"
#include "tasks/data.h"
#include "train/config_nonsense.h"
#include "train/file_testing.h"
#include "train/proto_text.h"
#include "train/trainer.h"

namespace palimpsest {
namespace {

using google::protobuf::FieldDescriptor;

// What became of a config.
struct Outcome {
  enum Kind : char { kOk, kRefused, kOutOfMemory, kCrashed } kind;
  std::string message;
};

Outcome TryOut(const TrainConfig& config) {
  const auto trainer = Trainer::Create(config);
  if (!trainer.ok()) return {Outcome::kRefused, std::string(trainer.status().message())};
  // One that was begun may fail, but as it should.
  if (config.steps() > 0) static_cast<void>((*trainer)->Step(/*with_statistics=*/true));
  return {Outcome::kOk, ""};
}

// Tries one after another, and tells of each, until one ends the process.
[[noreturn]] void TryOutAll(const std::vector<TrainConfig>& configs, size_t first, FILE* to) {
  constexpr int64_t kLimit = 256 << 20;
  constexpr unsigned kMostSeconds = 20;
  SetNumThreads(1);
  Allocator::Of(Device::kCpu).SetLimit(kLimit);
  SetOutOfMemoryHandler([](const absl::Status&) { _exit(Outcome::kOutOfMemory); });
  for (size_t i = first; i < configs.size(); ++i) {
    alarm(kMostSeconds);
    const Outcome outcome = TryOut(configs[i]);
    const size_t size = outcome.message.size();
    std::fputc(outcome.kind, to);
    std::fwrite(&size, sizeof(size), 1, to);
    std::fwrite(outcome.message.data(), 1, size, to);
    std::fflush(to);
  }
  _exit(Outcome::kOk);
}

// In processes of their own, a new one after each that ended.
std::vector<Outcome> OutcomesOf(const std::vector<TrainConfig>& configs) {
  std::vector<Outcome> outcomes;
  while (outcomes.size() < configs.size()) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    const pid_t pid = fork();
    if (pid == 0) TryOutAll(configs, outcomes.size(), fdopen(ends[1], "w"));
    close(ends[1]);
    FILE* from = fdopen(ends[0], "r");
    for (int kind; (kind = std::fgetc(from)) != EOF;) {
      size_t size = 0;
      if (std::fread(&size, sizeof(size), 1, from) != 1) break;
      std::string message(size, ' ');
      if (std::fread(message.data(), 1, size, from) != size) break;
      outcomes.push_back({static_cast<Outcome::Kind>(kind), message});
    }
    std::fclose(from);
    int status = 0;
    waitpid(pid, &status, 0);
    if (outcomes.size() == configs.size()) break;
    const bool full = WIFEXITED(status) && WEXITSTATUS(status) == Outcome::kOutOfMemory;
    outcomes.push_back({full ? Outcome::kOutOfMemory : Outcome::kCrashed, ""});
  }
  return outcomes;
}

class ConfigFuzz : public testing::Test {
 protected:
  // Each field of each message that `config` has, unless it was tried before.
  void TryEachField(const std::string& name, const TrainConfig& config) {
    std::vector<TrainConfig> configs = {config};
    std::vector<const FieldDescriptor*> fields = {nullptr};
    for (const Place& place : PlacesOf(config)) {
      TrainConfig changed = config;
      const google::protobuf::Descriptor* type = At(&changed, place)->GetDescriptor();
      for (int i = 0; i < type->field_count(); ++i) {
        const FieldDescriptor* field = type->field(i);
        if (!tried_.insert(field).second) continue;
        for (size_t n = 0;; ++n) {
          changed = config;
          if (!SetNonsense(At(&changed, place), field, n)) break;
          configs.push_back(changed);
          fields.push_back(field);
        }
      }
    }
    const std::vector<Outcome> outcomes = OutcomesOf(configs);
    EXPECT_EQ(outcomes[0].kind, Outcome::kOk) << name << ": " << outcomes[0].message;
    for (size_t i = 1; i < outcomes.size(); ++i) Check(name, *fields[i], configs[i], outcomes[i]);
  }

  void Check(const std::string& name, const FieldDescriptor& field, const TrainConfig& config,
             const Outcome& outcome) {
    ++cases_;
    const std::string what = name + ", " + field.full_name() + " in\n" + config.ShortDebugString();
    EXPECT_NE(outcome.kind, Outcome::kCrashed) << what;
    EXPECT_NE(outcome.kind, Outcome::kOutOfMemory) << what;
    if (outcome.kind != Outcome::kRefused) return;
    const bool named = outcome.message.find(field.name()) != std::string::npos;
    const bool key_named = field.is_map() && outcome.message.find("nonsense") != std::string::npos;
    EXPECT_TRUE(named || key_named) << outcome.message << "\n" << what;
  }

  // Nothing that a config can hold went untried.
  void ExpectAllTried(const google::protobuf::Descriptor* type) {
    for (const FieldDescriptor* field : FieldsUnder(type))
      EXPECT_TRUE(tried_.contains(field)) << field->full_name();
  }

  static TrainConfig Parse(const std::string& text) {
    TrainConfig config;
    const absl::Status status = ParseTextProto(text, "test", &config);
    EXPECT_TRUE(status.ok()) << std::string(status.message());
    return config;
  }

  std::set<const FieldDescriptor*> tried_;
  int cases_ = 0;
};

constexpr char kTraining[] = R"(
  data { eval_examples: 4 mqar { vocab: 10 pairs: 2 } }
  batch: 4 length: 8 steps: 20 memory_limit_mb: 256 plugin { path: 'p.so' }
  optimizer { name: 'adamw' lr: 0.01 clip_norm: 1 average_keep: 0.9 }
)";

constexpr char kSmall[] = R"(
  model { width: 8 block { attention { heads: 2 } } } data { eval_examples: 2 mqar { vocab: 10
  pairs: 2 } } batch: 2 length: 8 steps: 20 memory_limit_mb: 256 )";

TEST_F(ConfigFuzz, Models) {
  for (const ModelRow& row : ModelRows()) {
    TrainConfig config = Parse(kTraining);
    ASSERT_TRUE(ParseTextProto(row.config, "test", config.mutable_model()).ok());
    TryEachField(row.name, config);
  }
  ExpectAllTried(ModelConfig::descriptor());
  EXPECT_GT(cases_, 800);
}

TEST_F(ConfigFuzz, Tasks) {
  const std::string text = ScratchDir() + "/text";
  WriteFile(text, std::string(2000, 'a'));
  std::vector<std::string> tasks = TaskNames();
  std::reverse(tasks.begin(), tasks.end());  // Bytes, which have no lengths of their own, last.
  for (const std::string& task : tasks) {
    TrainConfig config = Parse(kSmall);
    const TaskExample example = ExampleOfTask(task);
    *config.mutable_data() = example.data;
    config.mutable_data()->set_eval_examples(2);
    config.set_length(example.length);
    if (task == "bytes") config.mutable_data()->mutable_bytes()->set_path(text);
    if (task == "mqar") {
      config.mutable_data()->mutable_mqar()->add_eval();
      config.mutable_data()->mutable_mqar()->add_train()->set_length(32);
    }
    TryEachField(task, config);
  }
  ExpectAllTried(DataConfig::descriptor());
  EXPECT_GT(cases_, 400);
}

TEST_F(ConfigFuzz, Optimizers) {
  std::set<const FieldDescriptor*> ever;
  for (const char* optimizer :
       {"name: 'adamw' schedule { kind: WSD warmup_steps: 2 decay_steps: 5 } group { match: "
        "'*norm*' set { name: 'sgd' } }",
        "name: 'chain' level { kind: 'ema' } level { kind: 'hope_delta' }",
        "name: 'chain' level { kind: 'memory' rule: 'delta' }",
        "name: 'muon' auxiliary { name: 'lion' }", "name: 'm3' period: 2", "name: 'dmgd'",
        "name: 'am_adamw'", "name: 'delta_sgd'"}) {
    // Each optimizer has fields that are not for it.
    for (const FieldDescriptor* field : FieldsUnder(OptimizerConfig::descriptor()))
      tried_.erase(field);
    TryEachField(optimizer, Parse(std::string(kSmall) + "optimizer { " + optimizer + " }"));
    ever.insert(tried_.begin(), tried_.end());
  }
  tried_ = ever;
  ExpectAllTried(OptimizerConfig::descriptor());
  EXPECT_GT(cases_, 1000);
}

}  // namespace
}  // namespace palimpsest
