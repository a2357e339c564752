// Every field of a config set to nonsense, one at a time: training starts, or an error names the
// field. No crash, no hang, no memory that is not there.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/allocator.h"
#include "core/parallel.h"
#include "google/protobuf/descriptor.h"
#include "nn/model_rows.h"
#include "tasks/data.h"
#include "train/proto_text.h"
#include "train/trainer.h"

namespace palimpsest {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// What became of a config, in a process of its own.
struct Outcome {
  enum { kOk, kRefused, kOutOfMemory, kCrashed } kind;
  std::string message;
};

void TryOut(const TrainConfig& config, int to) {
  constexpr int64_t kLimit = 256 << 20;
  alarm(20);
  SetNumThreads(1);
  Allocator::Of(Device::kCpu).SetLimit(kLimit);
  SetOutOfMemoryHandler([](const absl::Status&) { _exit(Outcome::kOutOfMemory); });
  const auto trainer = Trainer::Create(config);
  if (trainer.ok()) {
    // One that was begun may fail, but as it should.
    if (config.steps() > 0) static_cast<void>((*trainer)->Step(/*with_statistics=*/true));
    _exit(Outcome::kOk);
  }
  const std::string message(trainer.status().message());
  if (write(to, message.data(), message.size()) < 0) _exit(Outcome::kCrashed);
  _exit(Outcome::kRefused);
}

Outcome OutcomeOf(const TrainConfig& config) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const pid_t pid = fork();
  if (pid == 0) TryOut(config, ends[1]);
  close(ends[1]);
  Outcome outcome{Outcome::kCrashed, ""};
  char buffer[4096];
  for (ssize_t got; (got = read(ends[0], buffer, sizeof(buffer))) > 0;)
    outcome.message.append(buffer, static_cast<size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) < Outcome::kCrashed)
    outcome.kind = static_cast<decltype(outcome.kind)>(WEXITSTATUS(status));
  return outcome;
}

// Sets `field` of `message` to its n-th nonsense; false if there are not so many.
bool SetNonsense(Message* message, const FieldDescriptor* field, size_t n) {
  const google::protobuf::Reflection* r = message->GetReflection();
  const auto pick = [&](const auto& values, auto set) {
    if (n < values.size()) set(values[n]);
    return n < values.size();
  };
  constexpr double kInf = std::numeric_limits<double>::infinity();
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT64:
      return pick(std::vector<int64_t>{-1, 0, 1, 3, 100, int64_t{1} << 28, kMost, -kMost - 1},
                  [&](int64_t x) { r->SetInt64(message, field, x); });
    case FieldDescriptor::CPPTYPE_INT32:
      return pick(std::vector<int32_t>{-1, 0, 3, std::numeric_limits<int32_t>::max()},
                  [&](int32_t x) { r->SetInt32(message, field, x); });
    case FieldDescriptor::CPPTYPE_UINT64:
      return pick(std::vector<uint64_t>{0, ~uint64_t{0}},
                  [&](uint64_t x) { r->SetUInt64(message, field, x); });
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return pick(std::vector<double>{-1, 0, 0.3, 1, 2, 1e300, kInf, -kInf, kInf - kInf},
                  [&](double x) { r->SetDouble(message, field, x); });
    case FieldDescriptor::CPPTYPE_BOOL:
      return pick(std::vector<int>{0, 1}, [&](int x) { r->SetBool(message, field, x != 0); });
    case FieldDescriptor::CPPTYPE_STRING:
      return pick(std::vector<std::string>{"", "nonsense", std::string(10000, 'x'), "\x1b[2J\n*"},
                  [&](const std::string& x) { r->SetString(message, field, x); });
    case FieldDescriptor::CPPTYPE_ENUM:
      if (n >= static_cast<size_t>(field->enum_type()->value_count())) return false;
      r->SetEnum(message, field, field->enum_type()->value(static_cast<int>(n)));
      return true;
    default: return false;
  }
}

// Where a message stands in another: a field, and which of its values.
using Place = std::vector<std::pair<const FieldDescriptor*, int>>;

Message* At(Message* root, const Place& place) {
  for (const auto& [field, index] : place) {
    const google::protobuf::Reflection* r = root->GetReflection();
    root = field->is_repeated() ? r->MutableRepeatedMessage(root, field, index)
                                : r->MutableMessage(root, field);
  }
  return root;
}

void CollectMessages(const Message& message, const Place& place, std::vector<Place>* places) {
  places->push_back(place);
  const google::protobuf::Reflection* r = message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  r->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) continue;
    const int count = field->is_repeated() ? r->FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      Place inner = place;
      inner.emplace_back(field, i);
      CollectMessages(field->is_repeated() ? r->GetRepeatedMessage(message, field, i)
                                           : r->GetMessage(message, field),
                      inner, places);
    }
  }
}

// A word of an error that names the field, whichever way.
bool Names(const std::string& message, const FieldDescriptor& field) {
  return message.find(field.name()) != std::string::npos;
}

class ConfigFuzz : public testing::Test {
 protected:
  // Each field of each message that `config` has, unless it was tried before.
  void TryEachField(const std::string& name, const TrainConfig& config) {
    ASSERT_EQ(OutcomeOf(config).kind, Outcome::kOk) << name << ": " << OutcomeOf(config).message;
    std::vector<Place> places;
    CollectMessages(config, {}, &places);
    for (const Place& place : places) {
      TrainConfig changed = config;
      const google::protobuf::Descriptor* type = At(&changed, place)->GetDescriptor();
      for (int i = 0; i < type->field_count(); ++i) {
        const FieldDescriptor* field = type->field(i);
        if (field->is_repeated() || !tried_.insert(field).second) continue;
        for (size_t n = 0;; ++n) {
          changed = config;
          if (!SetNonsense(At(&changed, place), field, n)) break;
          Check(name, *field, changed);
        }
      }
    }
  }

  void Check(const std::string& name, const FieldDescriptor& field, const TrainConfig& config) {
    const Outcome outcome = OutcomeOf(config);
    ++cases_;
    const std::string what = name + ", " + field.full_name() + " in\n" + config.ShortDebugString();
    EXPECT_NE(outcome.kind, Outcome::kCrashed) << what;
    if (outcome.kind != Outcome::kRefused) return;
    EXPECT_TRUE(Names(outcome.message, field)) << outcome.message << "\n" << what;
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
  batch: 4 length: 8 steps: 20
  optimizer {
    name: 'adamw' lr: 0.01 clip_norm: 1 average_keep: 0.9
    schedule { kind: WSD warmup_steps: 2 decay_steps: 5 }
    group { match: '*norm*' set { name: 'sgd' } }
  }
)";

TEST_F(ConfigFuzz, Models) {
  for (const ModelRow& row : ModelRows()) {
    TrainConfig config = Parse(kTraining);
    ASSERT_TRUE(ParseTextProto(row.config, "test", config.mutable_model()).ok());
    TryEachField(row.name, config);
  }
  EXPECT_GT(cases_, 500);
}

TEST_F(ConfigFuzz, Tasks) {
  for (const std::string& task : TaskNames()) {
    if (task == "bytes") continue;  // Of a file.
    TryEachField(task,
                 Parse("model { width: 8 block { attention { heads: 2 } } } batch: 2 length: 300 "
                       "steps: 3 optimizer { name: 'sgd' } data { eval_examples: 2 " +
                       task + " {} }"));
  }
  EXPECT_GT(cases_, 200);
}

TEST_F(ConfigFuzz, Optimizers) {
  const std::string model =
      "model { width: 8 block { attention { heads: 2 } } } data { eval_examples: 2 mqar { vocab: "
      "10 pairs: 2 } } batch: 2 length: 8 steps: 20 ";
  for (const char* optimizer : {"name: 'chain' level { kind: 'ema' } level { kind: 'hope_delta' }",
                                "name: 'muon' auxiliary { name: 'lion' }", "name: 'm3' period: 2",
                                "name: 'dmgd'", "name: 'am_adamw'", "name: 'delta_sgd'"}) {
    tried_.clear();
    TryEachField(optimizer, Parse(model + "optimizer { " + optimizer + " }"));
  }
  EXPECT_GT(cases_, 500);
}

}  // namespace
}  // namespace palimpsest
