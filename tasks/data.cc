#include "tasks/data.h"

#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/file.h"
#include "tasks/tasks.h"

namespace palimpsest {
namespace {

using SourceOrError = absl::StatusOr<std::unique_ptr<DataSource>>;

struct Entry {
  std::string name;        // Of the field of DataConfig.
  int64_t example_length;  // That shows what the task is.
  std::function<SourceOrError(const DataConfig&, int64_t length, uint64_t seed)> make;
};

// Of what makes segments.
Entry Generated(const std::string& name, int64_t example_length,
                absl::StatusOr<Segments> (*make)(const DataConfig&, int64_t length)) {
  return {name, example_length,
          [=](const DataConfig& config, int64_t length, uint64_t seed) -> SourceOrError {
            if (config.eval_examples() < 1 || config.eval_examples() > kMostTaskSize)
              return absl::InvalidArgumentError(
                  absl::StrCat("data.eval_examples is ", config.eval_examples(),
                               ", must be from 1 to ", kMostTaskSize));
            absl::StatusOr<Segments> segments = make(config, length);
            if (!segments.ok()) return segments.status();
            return MakeGeneratedSource(name, *std::move(segments), config.eval_examples(), length,
                                       seed);
          }};
}

// Of what makes a task that only its length makes harder.
template <TaskOrError (*make)(const DataConfig&)>
absl::StatusOr<Segments> OfLengths(const DataConfig& config, int64_t length) {
  TaskOrError task = make(config);
  if (!task.ok()) return task.status();
  return SegmentsByLength(*std::move(task), config, length);
}

const std::vector<Entry>& Entries() {
  static const auto& entries = *new std::vector<Entry>{
      {"bytes", 16, MakeBytesSource},
      Generated("mqar", 48, MakeMqarSegments),
      Generated("in_context_recall", 24, OfLengths<MakeInContextRecall>),
      Generated("noisy_recall", 24, OfLengths<MakeNoisyRecall>),
      Generated("fuzzy_recall", 36, OfLengths<MakeFuzzyRecall>),
      Generated("selective_copying", 40, OfLengths<MakeSelectiveCopying>),
      Generated("compression", 16, OfLengths<MakeCompression>),
      Generated("memorization", 12, OfLengths<MakeMemorization>),
      Generated("parity", 16, OfLengths<MakeParity>),
      Generated("modular_arithmetic", 16, OfLengths<MakeModularArithmetic>),
      Generated("group_word", 12, OfLengths<MakeGroupWord>),
      Generated("formal_language", 13, OfLengths<MakeFormalLanguage>),
      Generated("needle", 640, OfLengths<MakeNeedle>),
      Generated("class_incremental", 60, OfLengths<MakeClassIncremental>),
  };
  return entries;
}

const Entry& EntryOf(const std::string& name) {
  for (const Entry& entry : Entries())
    if (entry.name == name) return entry;
  PALIMPSEST_CHECK(false) << "there is no task " << name;
  return Entries()[0];
}

}  // namespace

absl::StatusOr<std::unique_ptr<DataSource>> MakeDataSource(const DataConfig& config, int64_t length,
                                                           uint64_t seed) {
  const google::protobuf::FieldDescriptor* field =
      DataConfig::GetReflection()->GetOneofFieldDescriptor(
          config, DataConfig::descriptor()->FindOneofByName("source"));
  if (field == nullptr)
    return absl::InvalidArgumentError(absl::StrCat(
        "no data: give data { bytes { path: \"FILE\" } } in the config, data.bytes.path=FILE on "
        "the command line, or a task as in data { mqar {} }; there are ",
        absl::StrJoin(TaskNames(), ", ")));
  SourceOrError source = EntryOf(field->name()).make(config, length, seed);
  if (source.ok() || !absl::IsInvalidArgument(source.status())) return source;
  return absl::InvalidArgumentError(
      absl::StrCat("data.", field->name(), ": ", std::string(source.status().message())));
}

TaskExample ExampleOfTask(const std::string& name) {
  TaskExample example{.data = {}, .length = EntryOf(name).example_length};
  const google::protobuf::FieldDescriptor* field = DataConfig::descriptor()->FindFieldByName(name);
  DataConfig::GetReflection()->MutableMessage(&example.data, field);
  // Of which all of one length are much alike.
  if (example.data.has_formal_language()) example.data.set_min_length(4);
  return example;
}

absl::Status CheckTaskValue(const char* name, int64_t value, int64_t least, int64_t most,
                            const std::string& why) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, " is ", value, ", must be from ", least,
                                                 " to ", most, why.empty() ? "" : " ", why));
}

absl::Status CheckLengthAtLeast(int64_t length, int64_t least, const std::string& why) {
  if (length >= least) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("length is ", length, ", must be at least ", least,
                                                 why.empty() ? "" : " ", why));
}

absl::StatusOr<std::string> ReadTaskFile(const char* field, const std::string& path) {
  absl::StatusOr<std::string> text = ReadFileToString(path);
  if (text.ok()) return text;
  return absl::Status(text.status().code(),
                      absl::StrCat(field, ": ", std::string(text.status().message())));
}

std::vector<std::string> TaskNames() {
  std::vector<std::string> names;
  for (const Entry& entry : Entries()) names.push_back(entry.name);
  return names;
}

}  // namespace palimpsest
