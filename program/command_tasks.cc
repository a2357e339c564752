#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "program/commands.h"
#include "program/task_show.h"
#include "tasks/data.h"
#include "train/config.pb.h"
#include "train/override.h"
#include "train/progress.h"
#include "train/proto_text.h"

namespace palimpsest {
namespace {

class Tasks : public Command {
 public:
  std::string name() const override { return "tasks"; }
  std::string summary() const override { return "list the tasks, and show examples of one"; }
  std::string usage() const override {
    return "tasks [NAME] [--show=N] [field.path=value ...] [--markdown]";
  }
  std::string examples() const override {
    return "  palimpsest tasks\n"
           "  palimpsest tasks parity            with its parameters and examples\n"
           "  palimpsest tasks mqar --show=1 length=16 data.mqar.pairs=2 data.mqar.vocab=32\n"
           "\n"
           "field.path=value replaces a field of a config that has this data.\n";
  }
  void AddFlags(Flags* flags) override {
    flags->Add("show", "N", &show_, "examples of the evaluation to show (2)")
        .Add("train", "", &train_, "show examples of training")
        .Add("markdown", "", &markdown_, "all tasks, as docs/tasks.md has them");
  }

  absl::StatusOr<int> Run(const std::vector<std::string>& rest) override {
    if (markdown_) {
      std::fputs(TasksMarkdown().c_str(), stdout);
      return 0;
    }
    if (rest.empty()) {
      for (const std::string& name : TaskNames())
        std::printf("%-20s%s\n", name.c_str(), WrapWords(TaskSummary(name), 60, 20).c_str());
      return 0;
    }
    const std::vector<std::string> names = TaskNames();
    if (std::find(names.begin(), names.end(), rest[0]) == names.end())
      return absl::NotFoundError(absl::StrCat("there is no task ", NameAndKnown(rest[0], names)));
    return Show(rest[0], {rest.begin() + 1, rest.end()});
  }

 private:
  absl::StatusOr<int> Show(const std::string& name, const std::vector<std::string>& overrides) {
    const TaskExample example = ExampleOfTask(name);
    TrainConfig config;
    *config.mutable_data() = example.data;
    config.set_length(example.length);
    for (const std::string& text : overrides) {
      if (absl::Status s = ApplyOverride(text, &config); !s.ok()) return s;
    }
    if (show_ < 0 || show_ > config.data().eval_examples())
      return absl::InvalidArgumentError(absl::StrCat("--show is ", show_, ", must be from 0 to ",
                                                     config.data().eval_examples(),
                                                     " (data.eval_examples)"));
    std::printf("%s", TaskText(name).c_str());
    if (show_ == 0) return 0;
    const auto source = MakeDataSource(config.data(), config.length(), config.seed());
    if (!source.ok() && !overrides.empty()) return source.status();
    if (!source.ok()) {  // Bytes, which need a file.
      std::printf("\n%s\n", std::string(source.status().message()).c_str());
      return 0;
    }
    const int64_t count = std::min(show_, (*source)->eval_examples());
    const Examples examples =
        train_ ? (*source)->TrainBatch(0, show_) : (*source)->EvalBatch(0, count);
    std::printf("\n%s; vocabulary %lld, length %lld\n", (*source)->Describe().c_str(),
                static_cast<long long>((*source)->vocab()),
                static_cast<long long>(config.length()));
    for (int64_t i = 0; i < examples.tokens.dim(0); ++i)
      std::printf("\n%s", ShowExample(**source, examples, i).c_str());
    return 0;
  }

  int64_t show_ = 2;
  bool train_ = false, markdown_ = false;
};

}  // namespace

Command& TasksCommand() {
  static Tasks command;
  return command;
}

}  // namespace palimpsest
