#include "program/task_show.h"

#include <algorithm>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "ops/loss.h"

namespace palimpsest {
namespace {

constexpr size_t kColumns = 80;

constexpr char kIntroduction[] = R"(# Tasks

Generated from `tasks/tasks.proto`: `palimpsest tasks --markdown > docs/tasks.md`.

What a config's `data` may be. `palimpsest tasks NAME` shows examples of one, with any parameters
(`palimpsest tasks group_word data.group_word.group=A5 length=8`). All but `bytes` are generated: an example is
a function of the seed, of whether it is to train or to evaluate, and of its number, so that a run resumes anywhere
and training and evaluation have no draw in common. What a label is does not depend on how many examples share a
batch: shorter ones are padded at the end, where nothing is asked.

)";

// Where the tokens without labels that pad the row at its end begin.
int64_t SizeOfRow(const int32_t* tokens, const int32_t* labels, int64_t length) {
  while (length > 0 && tokens[length - 1] == 0 && labels[length - 1] == kIgnoreLabel) --length;
  return length;
}

void Pad(size_t size, char with, std::string* text) {
  text->resize(std::max(text->size(), size), with);
}

}  // namespace

std::string TaskSummary(const std::string& name) {
  std::string text;
  for (const absl::string_view line : absl::StrSplit(TaskText(name), '\n')) {
    if (line.substr(0, 3) != "// ") break;
    absl::StrAppend(&text, text.empty() ? "" : " ", line.substr(3));
  }
  for (size_t i = 0; i + 2 < text.size(); ++i) {
    const bool ends = (text[i] == '.' || text[i] == '?') && text[i + 1] == ' ';
    if (ends && absl::ascii_isupper(text[i + 2])) return text.substr(0, i + 1);
  }
  return text;
}

std::string ShowExample(const DataSource& source, const Examples& examples, int64_t row) {
  const int64_t length = examples.tokens.dim(1);
  const int32_t* tokens = examples.tokens.data<int32_t>() + row * length;
  const int32_t* labels = examples.labels.data<int32_t>() + row * length;
  const std::string gap = source.is_text() ? "" : " ";
  const std::string starts[] = {"tokens ", "labels "};
  std::string shown, lines[] = {starts[0], starts[1]};
  const auto flush = [&] {
    for (int i = 0; i < 2; ++i) {
      absl::StrAppend(&shown, std::string(absl::StripTrailingAsciiWhitespace(lines[i])), "\n");
      lines[i] = starts[i];
    }
  };
  for (int64_t t = 0; t < SizeOfRow(tokens, labels, length); ++t) {
    const std::string token = source.Text(tokens[t]);
    const std::string label = labels[t] == kIgnoreLabel ? "." : source.Text(labels[t]);
    const size_t width = std::max(token.size(), label.size());
    if (lines[0].size() + gap.size() + width > kColumns) flush();
    const size_t end = lines[0].size() + gap.size() + width;
    absl::StrAppend(&lines[0], gap, token);
    absl::StrAppend(&lines[1], gap, label);
    for (std::string& line : lines) Pad(end, ' ', &line);
  }
  flush();
  return shown;
}

std::string TasksMarkdown() {
  std::string page = kIntroduction;
  absl::StrAppend(&page, "```proto\n", TaskText(""), "```\n");
  for (const std::string& name : TaskNames()) {
    absl::StrAppend(&page, "\n## ", name, "\n\n```proto\n", TaskText(name), "```\n");
    const TaskExample example = ExampleOfTask(name);
    const auto source = MakeDataSource(example.data, example.length, 0);
    if (!source.ok()) continue;  // Bytes, which have no file here.
    absl::StrAppend(&page, "\nAs it is evaluated, in a length of ", example.length, ":\n\n```\n",
                    ShowExample(**source, (*source)->EvalBatch(0, 1), 0), "```\n");
  }
  return page;
}

}  // namespace palimpsest
